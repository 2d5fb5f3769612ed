import path from 'node:path';

/** Path of a model file that comes with this package. */
export const includedFile = (name: string): string => path.join(import.meta.dirname, '../included', name);
