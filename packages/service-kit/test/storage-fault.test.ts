import { expect, it } from 'vitest';
import { storageFault } from '../src/index.js';

class BlobError extends Error {
  override readonly name = 'BlobError';

  constructor(readonly code: string) {
    super(code);
  }
}

it('answers 507 if a disk or a blob store is full, 503 if a blob store is away, and changes no other error', () => {
  const other = new BlobError('not_found');
  const timeout = Object.assign(new Error('a socket'), { code: 'away' });
  expect(storageFault(new BlobError('full'))).toMatchObject({ status: 507 });
  expect(storageFault(Object.assign(new Error('disk'), { code: 'ENOSPC' }))).toMatchObject({ status: 507 });
  expect(storageFault(new BlobError('away'))).toMatchObject({ status: 503 });
  expect([storageFault(other), storageFault(timeout)]).toEqual([other, timeout]);
});
