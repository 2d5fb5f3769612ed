import envPaths from 'env-paths';

/** The folder of this user's settings: `CL_CONFIG_DIR`, or the place that the operating system has for them. */
export const configFolder = (env: Readonly<Record<string, string | undefined>>): string =>
  env.CL_CONFIG_DIR || envPaths('cl-client', { suffix: '' }).config;
