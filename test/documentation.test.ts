/**
 * Runs what the README and the guides show: every line "$ npx …" with the output below it, the plugins and the program of
 * the README, and the scripts and settings of the guides. Further, every link and every command in them must exist.
 */
import { execFile, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { eventually, freePort, hasFfmpeg, projectRoot, type TempDir, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const PASSWORD = 'mountains and rivers';
const README = 'README.md';
const PROGRAMS: Readonly<Record<string, string>> = {
  'cl-client': 'apps/cli/bin/cl-client.js',
  'cl-server': 'apps/server/bin/cl-server.js',
};

const documents = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.md'], {
  cwd: projectRoot,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && fs.existsSync(path.join(projectRoot, file)));
const guides = documents.filter((file) => file === 'README.md' || file.startsWith('docs/guides/'));
const textOf = (file: string): string => fs.readFileSync(path.join(projectRoot, file), 'utf8');

/** The code blocks of a document in one language; the empty one has none. */
const blocks = (file: string, language: string): string[] =>
  [...textOf(file).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].flatMap(([, found, code = '']) =>
    found === language ? [code] : [],
  );

interface Shown {
  readonly file: string;
  readonly command: string;
  /** The lines that must be in the output, in this order. */
  readonly output: readonly string[];
}

/** The commands that the blocks of a document show with their output. */
function shownIn(file: string): Shown[] {
  const shown: { file: string; command: string; output: string[] }[] = [];
  for (const line of blocks(file, '').flatMap((code) => (code.startsWith('$ ') ? code.split('\n') : []))) {
    if (line.startsWith('$ ')) shown.push({ file, command: line.slice(2), output: [] });
    else if (line.trim() !== '' && line !== '…') shown.at(-1)?.output.push(line);
  }
  return shown;
}

/** Numbers, ids and addresses differ between runs, and columns are as wide as their contents. */
const comparable = (text: string): string =>
  text
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '#')
    .replace(/\d+(?:\.\d+)?/g, '#')
    .replace(/[ \t]+/g, ' ')
    .trim();

/** Lines of scripts that no test can run, with the reason. */
const NOT_HERE = [
  /onnxruntime-node|EXECUTION_PROVIDER/, // a graphics card
  /models use|cl-client search/, // a model
  /compute-server|\/srv\/cl/, // a folder and a port of the reader
  /completion/, // a shell that is set up
];

/** The lines of a script that a test can run, without their comments. */
const runnable = (script: string): string =>
  script
    .split('\n')
    .filter((line) => !line.startsWith('#') && !NOT_HERE.some((pattern) => pattern.test(line)))
    .map((line) => line.replace(/ {2,}#.*$/, ''))
    .map((line) => (/user create/.test(line) ? `${line} --password "$PASSWORD"` : line))
    .map((line) =>
      line
        .replace(/login (\S+) -u ann/, 'login $1 -u admin --password "$PASSWORD"')
        .replace(/CL_USERNAME=phone CL_PASSWORD=\.\.\./, 'CL_USERNAME=admin CL_PASSWORD="$PASSWORD"'),
    )
    .join('\n')
    .trim();

/** The place where a web browser finds a heading. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

const anchorsOf = (file: string): string[] =>
  [...fs.readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchor(heading));

it('every link in the documents leads to a file and a heading that exist', () => {
  const broken = documents.flatMap((file) =>
    [...textOf(file).matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)/g)].flatMap(([link, target = '', heading]) => {
      const place = target === '' ? path.join(projectRoot, file) : path.join(projectRoot, path.dirname(file), target);
      if (!fs.existsSync(place)) return [`${file}: ${link}`];
      return heading === undefined || anchorsOf(place).includes(heading) ? [] : [`${file}: ${link}`];
    }),
  );
  expect(broken).toEqual([]);
});

it('the index of the documents names every guide', () => {
  const index = textOf('docs/README.md');
  const missing = guides.filter((file) => file.startsWith('docs/') && !index.includes(file.slice('docs/'.length)));
  expect(missing).toEqual([]);
});

it('every command of cl-client in the documents exists, with its options', async () => {
  const mentions = [README, ...guides.filter((file) => file !== README)].flatMap((file) =>
    [...textOf(file).matchAll(/(?<=[\s`(])cl-client ([a-z][^`|\n#;>)]*)/g)].map(([, words = '']) => ({
      file,
      words: words.trim().split(/\s+/),
    })),
  );
  expect(mentions.length).toBeGreaterThan(30);
  const faults: string[] = [];
  const help = new Map<string, Promise<string>>();
  const helpOf = (words: readonly string[]): Promise<string> => {
    const program = path.join(projectRoot, PROGRAMS['cl-client'] ?? '');
    const command = words.join(' ');
    const asked =
      help.get(command) ??
      run(process.execPath, [program, ...words, '--help'], { env: { ...process.env, COLUMNS: '200' } }).then(
        ({ stdout }) => stdout,
        () => '',
      );
    help.set(command, asked);
    return asked;
  };
  const common = await helpOf([]);
  for (const { file, words } of mentions) {
    const isOption = words.findIndex((word) => !/^[a-z][a-z-]*$/.test(word));
    const leading = words.slice(0, Math.min(isOption < 0 ? words.length : isOption, 3));
    let text = '';
    // A word may be an argument: the longest beginning that is a command counts.
    for (let length = 1; length <= leading.length; length++) {
      text = await helpOf(leading.slice(0, length));
      if (!/^Usage: .*\[command\]/.test(text)) break;
    }
    // A group of commands shows its own help for a command that it does not have.
    const isGroup = /^Usage: .*\[command\]/.test(text) && leading.length > 1;
    const options = words.filter((word) => /^--[a-z-]+$/.test(word));
    const unknown =
      words[0] === 'run' ? [] : options.filter((option) => !text.includes(option) && !common.includes(option));
    if (!text.startsWith('Usage: ') || isGroup || unknown.length > 0) faults.push(`${file}: ${words.join(' ')}`);
  }
  expect(faults).toEqual([]);
}, 120_000);

describe.runIf(hasFfmpeg())('on a platform', () => {
  let dir: TempDir;
  /** The reader's home folder, in which the commands run. */
  let work: string;
  let env: NodeJS.ProcessEnv;
  let launcher: ReturnType<typeof execFile>;
  let urls: Readonly<Record<'auth' | 'store' | 'compute' | 'mqtt', string>>;

  beforeAll(async () => {
    dir = tempDir('cl-documentation-');
    work = path.join(dir.path, 'work');
    const data = path.join(dir.path, 'data');
    fs.mkdirSync(path.join(data, 'plugins'), { recursive: true });
    for (const [file, name] of [
      ['README.md', 'word-count'],
      ['docs/guides/plugins.md', 'line-count'],
    ] as const)
      fs.writeFileSync(path.join(data, 'plugins', `${name}.mjs`), blocks(file, 'js')[0] ?? '');
    const ports = ['auth', 'store', 'compute'].flatMap((name) => [`--${name}-port`, '0']);
    const mqtt = ['--mqtt-port', String(await freePort()), '--mqtt-ws-port', '0'];
    const program = path.join(projectRoot, PROGRAMS['cl-server'] ?? '');
    const home = { HOME: work, CL_CONFIG_DIR: path.join(dir.path, 'config'), CL_SERVER_DIR: data };
    env = {
      ...process.env,
      ...home,
      NO_COLOR: '1',
      ADMIN_PASSWORD: PASSWORD,
      MODELS_DOWNLOAD: 'never',
      COLUMNS: '200',
    };
    launcher = execFile(process.execPath, [program, 'start', '--workers', '1', ...ports, ...mqtt], {
      env,
      maxBuffer: 1e8,
    });
    let output = '';
    launcher.stdout?.on('data', (text: string) => (output += text));
    const ready = await eventually(() => /^ready (\{.*\})$/m.exec(output)?.[1], {
      within: 90_000,
      what: 'the platform',
    });
    urls = JSON.parse(ready) as typeof urls;
    const local = (url: string): string => url.replace('127.0.0.1', 'localhost');
    Object.assign(env, {
      AUTH_URL: local(urls.auth),
      STORE_URL: urls.store,
      COMPUTE_URL: urls.compute,
      MQTT_URL: urls.mqtt,
    });
    // The files that the commands name, in a folder in which they may write.
    fs.cpSync(path.join(projectRoot, 'examples/mountains.jpg'), path.join(work, 'examples/mountains.jpg'));
    fs.copyFileSync(path.join(projectRoot, 'README.md'), path.join(work, 'README.md'));
    for (const file of ['photo.jpg', 'Pictures/2024/harbour.jpg', 'Camera/dawn.jpg']) {
      fs.mkdirSync(path.join(work, path.dirname(file)), { recursive: true });
      fs.copyFileSync(path.join(projectRoot, 'examples/mountains.jpg'), path.join(work, file));
      fs.appendFileSync(path.join(work, file), file); // every file has other bytes
    }
    fs.copyFileSync(path.join(work, 'photo.jpg'), path.join(work, 'photo.png'));
    fs.writeFileSync(path.join(work, 'last'), '');
    const film = ['-f', 'lavfi', '-i', 'testsrc=duration=1:size=64x48:rate=5', '-y', path.join(work, 'film.mp4')];
    execFileSync('ffmpeg', ['-loglevel', 'error', ...film]);
    fs.mkdirSync(path.join(dir.path, 'bin'));
    fs.writeFileSync(path.join(dir.path, 'bin/npx'), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 });
    for (const [name, file] of Object.entries(PROGRAMS))
      fs.writeFileSync(
        path.join(dir.path, 'bin', name),
        `#!/bin/sh\nexec "${process.execPath}" "${path.join(projectRoot, file)}" "$@"\n`,
        { mode: 0o755 },
      );
  }, 120_000);
  afterAll(async () => {
    const ended = new Promise((resolve) => launcher.once('exit', resolve));
    launcher.kill('SIGINT');
    await ended;
    dir.remove();
  });

  /** Runs a command as a shell would, with the programs of this project for those that npx finds. */
  async function outputOf(command: string): Promise<string> {
    const [npx, name = '', ...words] = command.split(' ');
    const program = PROGRAMS[name];
    if (npx !== 'npx' || program === undefined) throw new Error(`not a command that this test can run: ${command}`);
    const withPassword = words[0] === 'login' ? { ...env, CL_PASSWORD: PASSWORD } : env;
    const file = path.join(projectRoot, program);
    const { stdout, stderr } = await run(process.execPath, [file, ...words], { cwd: work, env: withPassword });
    return `${stdout}\n${stderr}`;
  }

  const shown = guides.flatMap(shownIn);

  it('there are many commands to try', () => expect(shown.length).toBeGreaterThan(10));

  it.each(shown)('$file: $command', async ({ command, output }) => {
    const lines = (await outputOf(command)).split('\n').map(comparable);
    for (const line of output) expect(lines).toContain(comparable(line));
  });

  let created: Promise<string> | undefined;
  /** The id of the collection Holidays/2024, which is made once. */
  const holidays = (): Promise<string> => {
    created ??= (async () => {
      const parent = (await outputOf('npx cl-client store create Holidays --quiet')).trim();
      return (await outputOf(`npx cl-client store create 2024 --parent ${parent} --quiet`)).trim();
    })();
    return created;
  };
  const scripts = guides.flatMap((file) => blocks(file, 'sh').map((script) => ({ file, script: runnable(script) })));

  it.each(scripts.filter(({ script }) => script !== ''))('$file: $script', async ({ script }) => {
    const token = (await outputOf('npx cl-client token')).trim();
    const collection = await holidays();
    const job = JSON.parse(await outputOf('npx cl-client hash compute photo.jpg --json')) as {
      readonly job_id: string;
    };
    const text = Object.entries({ 8000: urls.auth, 8001: urls.store, 8002: urls.compute }).reduce(
      (all, [port, url]) => all.replaceAll(`http://127.0.0.1:${port}`, url),
      script.replaceAll(/https:\/\/photos\.example(?:\.org)?/g, env['AUTH_URL'] ?? ''),
    );
    const variables = {
      TOKEN: token,
      ID: job.job_id,
      COLLECTION: collection,
      C: urls.compute,
      PASSWORD,
      PATH: `${path.join(dir.path, 'bin')}:${env['PATH']}`,
    };
    const { stdout, stderr } = await run('bash', ['-euo', 'pipefail', '-c', text], {
      cwd: work,
      env: { ...env, ...variables },
    });
    expect(`${stdout}${stderr}`).not.toMatch(/"detail"|error:/);
  });

  it.each(
    guides
      .flatMap((file) => blocks(file, 'yaml').map((yaml) => ({ file, yaml })))
      .filter(({ yaml }) => /_port|allowed/.test(yaml)),
  )('$file: the settings $yaml', async ({ yaml }) => {
    using folder = tempDir();
    fs.writeFileSync(path.join(folder.path, 'config.yaml'), yaml);
    await expect(outputOf(`npx cl-server plugins --data-dir ${folder.path}`)).resolves.toContain('No platform runs');
  });

  it('the plugin of the README runs', async () => {
    const command = /`(npx cl-client run word_count [^`]+)`/.exec(textOf('README.md'))?.[1] ?? '';
    expect(await outputOf(command)).toMatch(/words +\d{3,}/);
  });

  it('the program of the README runs', async () => {
    const [code = ''] = blocks('README.md', 'ts');
    expect(
      code
        .trim()
        .split('\n')
        .filter((line) => line !== '').length,
    ).toBeLessThanOrEqual(8);
    const program = code.replace('http://localhost:8000', urls.auth);
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: projectRoot,
      env: { ...env, CL_PASSWORD: PASSWORD },
    });
    expect(stdout).toMatch(/^\d+ 1600 [0-9a-f]{16}\n$/);
  });
});
