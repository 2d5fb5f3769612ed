const DEADLOCK = '40P01';
const TRIES = 5;

/**
 * Two batches that touch the same jobs in another order (a renewal beside a completion) may lock each other out;
 * PostgreSQL then ends one of them, unharmed, to be done again.
 */
export async function retryDeadlocks<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if ((error as { code?: string }).code !== DEADLOCK || attempt === TRIES) throw error;
    }
  }
}
