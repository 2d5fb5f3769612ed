import fs from 'node:fs';

/** Whether files can be put into a folder; it is made if it is not there. @param {string} folder */
export function canWrite(folder) {
  try {
    fs.mkdirSync(folder, { recursive: true });
    fs.accessSync(folder, fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
