/** Says what to do if tasks cannot run because their models are not installed. */
export const missingModels = (tasks: readonly string[]): string =>
  `${tasks.join(', ')} ${tasks.length === 1 ? 'waits for its model' : 'wait for their models'}: ` +
  'an admin fetches missing models with "cl-server models pull"';
