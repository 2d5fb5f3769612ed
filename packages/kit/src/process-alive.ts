import { errorCode } from './errors.js';

/** Whether a process with this id runs on this machine; one of another user counts too. */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}
