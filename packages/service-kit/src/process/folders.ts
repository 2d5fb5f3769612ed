import path from 'node:path';
import type { folderSettings, modelsDirSetting } from '../config/file-settings.js';
import type { Values } from '../config/setting.js';

type FolderValues = Values<typeof folderSettings> & Partial<Values<{ readonly modelsDir: typeof modelsDirSetting }>>;

/** The folders of the different kinds of files, absolute. */
export interface Folders {
  readonly media: string;
  /** Files of jobs. */
  readonly jobs: string;
  readonly models: string;
  readonly streams: string;
  /** Plugins that the operator added. */
  readonly plugins: string;
}

/** The folders that the settings name, or the default ones in the data folder. */
export const foldersOf = (settings: FolderValues, dataDir: string): Folders => ({
  media: path.resolve(settings.mediaStorageDir ?? path.join(dataDir, 'media')),
  jobs: path.resolve(settings.computeStorageDir ?? path.join(dataDir, 'compute')),
  models: path.resolve(settings.modelsDir ?? path.join(dataDir, 'models')),
  streams: path.join(dataDir, 'streams'),
  plugins: path.join(dataDir, 'plugins'),
});
