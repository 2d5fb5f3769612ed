/** Programs of others: linters and generators that read the documents, and the examples of the SDK. */
import { execFile, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { freePort, hasChromium, projectRoot, type TempDir, tempDir, which } from '@cl-server/testing';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endPlatform, PASSWORD, startTestPlatform, type TestPlatform } from '../apps/server/test/platform/support.js';
import { GENERATORS, generate, SERVICES } from './support/generated-clients.js';

const run = promisify(execFile);
const PHOTO = path.join(projectRoot, 'examples/mountains.jpg');
const built = fs.existsSync(path.join(projectRoot, 'apps/server/dist/main.js'));

/** Saves what a page shows, for people who want to look at it. */
async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env.CL_TEST_SCREENSHOTS;
  if (folder) await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
}

/** Opens the documentation of a service and logs in as admin in its dialog, which stays open. */
async function openDocs(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(`${url}/docs`);
  await page.getByRole('button', { name: 'Authorize' }).first().click();
  const form = page.locator('.auth-container').filter({ hasText: 'OAuth2' });
  await form.locator('#oauth_username').fill('admin');
  await form.locator('#oauth_password').fill(PASSWORD);
  await form.getByRole('button', { name: 'Apply given OAuth2 credentials' }).click();
  // The dialog offers to log out only after the password was accepted.
  await form.getByText('Logout').waitFor();
  return page;
}

describe.runIf(built)('programs of others', () => {
  let platform: TestPlatform;
  let dir: TempDir;
  let documents: string;
  let pagePort: number;
  let wsPort: number;
  beforeAll(async () => {
    dir = tempDir('cl-outside-');
    documents = path.join(dir.path, 'documents');
    fs.mkdirSync(documents);
    pagePort = await freePort();
    wsPort = await freePort();
    platform = await startTestPlatform(
      {},
      {},
      { 'mqtt-ws-port': String(wsPort), 'cors-origins': `http://localhost:${pagePort}` },
    );
    for (const service of SERVICES) {
      const answer = await fetch(`${platform.urls[service]}/openapi.json`);
      fs.writeFileSync(path.join(documents, `${service}.json`), await answer.text());
    }
  });
  afterAll(async () => {
    if (platform) await endPlatform(platform);
    dir?.remove();
  });

  it('a linter finds no fault in the documents, tasks and examples included', async () => {
    const files = SERVICES.map((service) => path.join(documents, `${service}.json`));
    expect(fs.readFileSync(path.join(documents, 'compute.json'), 'utf8')).toContain('"/jobs/media_thumbnail"');
    await run(process.execPath, [path.join(projectRoot, 'scripts/lint-openapi.js'), ...files]);
  });

  for (const name of Object.keys(GENERATORS) as (keyof typeof GENERATORS)[])
    it(`a generated client uploads a photo and runs a job: ${name}`, async () => {
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

  it('the example for Node uploads, runs a job and shows events', async () => {
    const photo = path.join(dir.path, 'dunes.jpg');
    fs.writeFileSync(photo, Buffer.concat([fs.readFileSync(PHOTO), Buffer.from('another content')]));
    const { auth, store, compute, mqtt } = platform.urls;
    const { stdout } = await run(process.execPath, [path.join(projectRoot, 'examples/sdk/node.js'), photo], {
      env: {
        ...process.env,
        CL_PASSWORD: PASSWORD,
        AUTH_URL: auth,
        STORE_URL: store,
        COMPUTE_URL: compute,
        MQTT_URL: mqtt,
      },
    });
    expect(stdout).toMatch(/uploaded: entity (\d+), \d+ × \d+ pixels/);
    expect(stdout).toMatch(/event: entity \d+ created/);
    expect(stdout).toContain('job: completed 100 %');
    const preview = /without a login: (\S+)/.exec(stdout)?.[1] ?? '';
    expect((await fetch(preview)).headers.get('content-type')).toBe('image/png');
  });

  describe.runIf(hasChromium())('in a browser', () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await chromium.launch({
        executablePath: which('chromium') ?? '',
        args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
      });
    });
    afterAll(() => browser?.close());

    it.each(['auth', 'compute'] as const)('the documentation of %s logs in with a password', async (service) => {
      const page = await openDocs(browser, platform.urls[service]);
      await page.close();
    });

    it('the documentation of the store logs in and uploads a file that was chosen', async () => {
      const page = await openDocs(browser, platform.urls.store);
      await page.locator('.dialog-ux .close-modal').click();
      const operation = page.locator('#operations-entity-create_entity');
      await operation.locator('.opblock-summary-control').click();
      const buffer = Buffer.concat([fs.readFileSync(PHOTO), Buffer.from('from the page')]);
      const file = { name: 'docs.jpg', mimeType: 'image/jpeg', buffer };
      await operation.locator('input[type=file]').first().setInputFiles(file);
      await operation.locator('tr[data-property-name="is_collection"] select').selectOption('false');
      await operation.getByRole('button', { name: 'Execute' }).click();
      await operation.locator('.live-responses-table').waitFor();
      await screenshot(page, 'docs');
      const answer = operation.locator('.live-responses-table .response-col_status').last();
      await expect.poll(() => answer.innerText(), { timeout: 20_000 }).toBe('201');
      expect(await operation.locator('.live-responses-table').innerText()).toContain('"mime_type": "image/jpeg"');
      await page.close();
    }, 120_000);

    it('the example page logs in from another origin, uploads, and shows what others upload', async () => {
      const server = fork(path.join(projectRoot, 'examples/sdk/page/serve.js'), [String(pagePort)], { silent: true });
      try {
        await once(server.stdout ?? expect.fail('no output'), 'data');
        const { auth, store, compute } = platform.urls;
        const query = new URLSearchParams({ auth, store, compute, mqtt: `ws://127.0.0.1:${wsPort}` });
        const page = await browser.newPage();
        await page.goto(`http://localhost:${pagePort}/?${query}`);
        await page.getByLabel('Password').fill('wrong');
        await page.getByRole('button', { name: 'Log in' }).click();
        await page.getByText('Incorrect username or password').waitFor();
        await page.getByLabel('Password').fill(PASSWORD);
        await page.getByRole('button', { name: 'Log in' }).click();
        await page.getByText('Logged in as admin').waitFor();
        const bytes = fs.readFileSync(PHOTO);
        const mine = { name: 'mine.jpg', mimeType: 'image/jpeg', buffer: Buffer.concat([bytes, Buffer.from('mine')]) };
        await page.getByLabel('Photo').setInputFiles(mine);
        await page.getByText('Uploaded mine.jpg').waitFor();
        const form = new FormData();
        form.set('is_collection', 'false');
        form.set('label', 'From elsewhere');
        form.set('media_file', new File([bytes, 'theirs'], 'theirs.jpg'));
        const headers = { authorization: `Bearer ${await platform.token()}` };
        expect((await fetch(`${store}/entities`, { method: 'POST', headers, body: form })).status).toBe(201);
        await page.getByText('From elsewhere').waitFor();
        await page.waitForFunction(
          () => [...document.images].length >= 2 && [...document.images].every((i) => i.naturalWidth > 0),
        );
        await screenshot(page, 'page');
        await page.close();
      } finally {
        server.kill();
        await once(server, 'exit');
      }
    });
  });
});
