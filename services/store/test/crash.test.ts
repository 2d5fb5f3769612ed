/** The process is killed at random moments of uploads: no acknowledged upload is lost, and no incomplete one is visible. */
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { AuditReport } from '@cl-server/contract';
import { tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forkStore, isBuilt, killStore, type StoreProcess } from './support/process.js';

/** The long run is `npm run test:faults`. */
const KILLS = process.env.CL_TEST_FAULTS === 'long' ? 200 : 12;

describe.runIf(isBuilt)('a store that is killed while it takes uploads', () => {
  const dir = tempDir('cl-crash-');
  let running: StoreProcess;
  beforeAll(async () => {
    running = await forkStore(dir.path);
  });
  afterAll(async () => {
    await killStore(running.child);
    dir.remove();
  });

  it(
    `loses nothing and shows nothing half done, ${KILLS} times`,
    async () => {
      const acknowledged = new Map<number, string>();
      for (let round = 0; round < KILLS; round++) {
        const uploads = Array.from({ length: 6 }, async () => {
          const bytes = randomBytes(200_000);
          const reply = await running.client.upload(bytes).catch(() => undefined);
          if (reply?.status === 201) acknowledged.set(reply.json.id, createHash('sha256').update(bytes).digest('hex'));
        });
        // The moment is between the first bytes and the last response.
        await pause(Math.random() * 120);
        await killStore(running.child);
        await Promise.all(uploads);
        running = await forkStore(dir.path);
        const { json: audit } = await running.client.get<AuditReport>('/system/audit?verify=true');
        expect(audit).toMatchObject({ orphaned_files: [], missing_files: [], damaged_files: [] });
        expect(fs.readdirSync(path.join(dir.path, 'media', '.incoming'))).toEqual([]);
      }
      for (const [id, sha256] of acknowledged) {
        const { bytes } = await running.client.get(`/entities/${id}/media`);
        expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
      }
      const { pagination } = await running.client.list();
      expect(pagination.total_items).toBeGreaterThanOrEqual(acknowledged.size);
    },
    60_000 + KILLS * 5_000,
  );
});
