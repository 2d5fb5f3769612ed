/** The OpenAPI documents as other programs use them: linters accept them, and generators make clients that work. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { projectRoot, type TempDir, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endPlatform, PASSWORD, startTestPlatform, type TestPlatform } from '../apps/server/test/platform/support.js';
import { GENERATORS, generate, SERVICES } from './support/generated-clients.js';

const PHOTO = path.join(projectRoot, 'examples/mountains.jpg');
const built = fs.existsSync(path.join(projectRoot, 'apps/server/dist/main.js'));

describe.runIf(built)('the documents that the services serve', () => {
  let platform: TestPlatform;
  let dir: TempDir;
  let documents: string;
  beforeAll(async () => {
    dir = tempDir('cl-generated-');
    documents = path.join(dir.path, 'documents');
    fs.mkdirSync(documents);
    platform = await startTestPlatform();
    for (const service of SERVICES) {
      const answer = await fetch(`${platform.urls[service]}/openapi.json`);
      fs.writeFileSync(path.join(documents, `${service}.json`), await answer.text());
    }
  });
  afterAll(async () => {
    if (platform) await endPlatform(platform);
    dir?.remove();
  });

  it('have no fault that a linter finds, in tasks and examples either', () => {
    const files = SERVICES.map((service) => path.join(documents, `${service}.json`));
    expect(fs.readFileSync(path.join(documents, 'compute.json'), 'utf8')).toContain('"/jobs/media_thumbnail"');
    const lint = path.join(projectRoot, 'scripts/lint-openapi.js');
    execFileSync(process.execPath, [lint, ...files], { encoding: 'utf8', stdio: 'pipe' });
  });

  for (const name of Object.keys(GENERATORS) as (keyof typeof GENERATORS)[])
    it(`make a client that uploads a photo and runs a job: ${name}`, async () => {
      const tryOut = await generate(name, documents, path.join(dir.path, path.basename(name)));
      const bytes = fs.readFileSync(PHOTO);
      const login = { username: 'admin', password: PASSWORD };
      const tried = await tryOut(platform.urls, login, new File([bytes], 'beach.jpg', { type: 'image/jpeg' }));
      expect(tried).toMatchObject({
        entityId: expect.any(Number),
        entityLabel: 'Beach',
        jobStatus: 'completed',
        output: { sha256: createHash('sha256').update(bytes).digest('hex') },
        refusal: { code: 'not_found' },
      });
    });
});
