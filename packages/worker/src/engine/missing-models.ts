/** Without models a platform runs, only some of its tasks do not: one line says so. The reasons are in `GET /tasks`. */
import type { Logger } from '@cl-server/service-kit';
import type { Availability } from './availability.js';

/**
 * Says now, and again when more of them are found, which tasks wait for their models.
 * @returns a function that ends it
 */
export function tellMissingModels(availability: Availability, logger: Logger): () => void {
  let told: readonly string[] = [];
  const look = (): void => {
    const missing = [...availability.unavailable].flatMap(([task, { code }]) => (code === 'model_missing' ? task : []));
    if (missing.some((task) => !told.includes(task)))
      logger.warn({ tasks: missing.sort() }, 'models are missing: "cl-server models pull" fetches them');
    told = missing;
  };
  look();
  return availability.onChange(look);
}
