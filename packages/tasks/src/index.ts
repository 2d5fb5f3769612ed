/** This package has no exports: its tasks are discovered by `clServer` in its package.json. */
export {};
