import envPaths from 'env-paths';

/** Where this user's settings are: `CL_CONFIG_DIR`, else the platform's place for them. */
export const configFolder = (env: Readonly<Record<string, string | undefined>>): string =>
  env.CL_CONFIG_DIR || envPaths('cl-client', { suffix: '' }).config;
