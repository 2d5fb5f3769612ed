import envPaths from 'env-paths';

/** The default data folder of this user by the convention of the operating system, e.g. `~/.local/share/cl-server`. */
export const defaultDataDir = (): string => envPaths('cl-server', { suffix: '' }).data;
