import fs from 'node:fs';

/** Whether files can be created in a folder; it is created if it does not exist. @param {string} folder */
export function canWrite(folder) {
  try {
    fs.mkdirSync(folder, { recursive: true });
    fs.accessSync(folder, fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
