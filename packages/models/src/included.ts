import path from 'node:path';

/** Where a model's file lies if it comes with this package. */
export const includedFile = (name: string): string => path.join(import.meta.dirname, '../included', name);
