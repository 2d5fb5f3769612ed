import envPaths from 'env-paths';

/** The user's data folder by the platform's convention, e.g. `~/.local/share/cl-server`. */
export const defaultDataDir = (): string => envPaths('cl-server', { suffix: '' }).data;
