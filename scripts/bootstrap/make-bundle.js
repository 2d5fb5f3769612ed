/**
 * Makes the bundle that `npm start` runs. Loading several hundred modules in each of seven processes takes most of a start, so all
 * programs are combined into a few files that they share.
 *
 * The folder `bundle/<stamp>` looks like an installation (`node_modules/@cl-server/*`, each package with its manifest), so
 * programs, threads, task processes and built-in tasks find each other in it by the same relative paths as in the packages
 * themselves. It is made from the TypeScript sources, it is never published, and nothing but `npm start` uses it: the
 * packages' own `dist` stays what tests, other programs and installed packages run.
 */
import fs from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';
import { filesIn, ROOMS, readJson } from './bundle.js';

/** Native code, packages that find files beside their own modules, and packages that hardly any process loads. */
const EXTERNAL =
  /^(?:better-sqlite3|sharp|onnxruntime-node|@node-rs\/.*|exiftool-vendored|heic-decode|pg|pino-pretty|undici|yaml|light-my-request|@fastify\/(?:ajv-compiler|fast-json-stringify-compiler|swagger|swagger-ui))$/;

/** The package of the bundle itself: `bundle-place.js`. */
const PLACE = 'cl-bundle-place';
/** A folder in `node_modules`, because Node shows no deprecation warnings of installed packages. */
const CHUNKS = 'node_modules/@cl-server/chunks';

const PINO =
  'pino|pino-std-serializers|@pinojs|sonic-boom|thread-stream|quick-format-unescaped|safe-stable-stringify|on-exit-leak-free|atomic-sleep|real-require|process-warning';
const HTTP =
  'fastify|@fastify|find-my-way|avvio|ajv|fast-(?:json|uri|querystring|decode)[^/]*|secure-json-parse|rfdc|ret|safe-regex2|semver|toad-cache|abstract-logging|ipaddr\\.js|set-cookie-parser|cookie';
const FILES = 'exifr|file-type|strtok3|token-types|@tokenizer|@borewit|ieee754|uint8array-extras';
const inPackages = (names) => `/node_modules/(?:${names})/`;
const inServiceKit = (names) => `/packages/service-kit/src/(?:${names})`;

/** A few large chunks instead of one for each combination of programs, because each file costs a start about a millisecond. */
const GROUPS = [
  [
    'program',
    [
      inPackages(PINO),
      inServiceKit('config|process|logging|program|errors|lazy|http-get'),
      inServiceKit('broadcaster/broadcaster|storage-fault|http/allowed-hosts'),
      '/packages/kit/src/',
      '/contract/src/(?:constants|printable|setting-names)\\.',
      'builtin:',
    ],
  ],
  ['schemas', [inPackages('zod'), '/packages/(?:contract|task-kit)/src/']],
  ['tokens', [inPackages('jose'), inServiceKit('tokens')]],
  [
    'database',
    [
      inPackages('kysely|prom-client|tdigest|bintrees|@opentelemetry'),
      inServiceKit('database|broadcaster|http/(?:metrics|request-durations)'),
      '/packages/jobs/src/',
    ],
  ],
  ['service', [inPackages(HTTP), inServiceKit(''), '/packages/job-routes/src/']],
  ['media', [inPackages(FILES), '/packages/media/src/(?!exif/(?:exiftool|copy|command)\\.)']],
].map(([name, places], index, { length }) => ({ name, test: new RegExp(places.join('|')), priority: length - index }));

const sourceOf = (file) => file.replace(/(^|\/)dist\//, '$1src/').replace(/\.js$/, '.ts');
const builtOf = (file) => file.replace(/(^|\/)src\//, '$1dist/').replace(/\.ts$/, '.js');
/** The source files by their place in the bundle. */
function entriesOf(root, rooms) {
  const entries = {};
  for (const [room, { name, clServer }] of rooms) {
    const add = (file, source = file) => {
      entries[`node_modules/${name}/${file}`] = path.join(root, room, source);
    };
    for (const folder of ['bin', 'threads'])
      for (const file of filesIn(path.join(root, room, folder))) {
        // The program itself, without the check of the Node version before it: the launcher has already done that.
        const program = `src/bin/${file.replace(/\.js$/, '.ts')}`;
        add(`${folder}/${file}`, fs.existsSync(path.join(root, room, program)) ? program : undefined);
      }
    for (const file of Object.values(clServer?.tasks ?? {})) add(path.normalize(file), sourceOf(file));
    if (fs.existsSync(path.join(root, room, 'src/child/main.ts'))) add('dist/child/main.js', 'src/child/main.ts');
  }
  return entries;
}

/** Resolves to sources instead of built files. External packages stay imports by name, which must resolve equally from the bundle. */
const resolution = (root) => ({
  name: 'resolution',
  resolveId: {
    filter: { id: [EXTERNAL, /\/dist\//, new RegExp(`^${PLACE}$`)] },
    async handler(id, importer, options) {
      if (id === PLACE) return { id, external: true };
      if (!EXTERNAL.test(id))
        return id.startsWith('.') ? path.resolve(path.dirname(importer), sourceOf(id)) : undefined;
      const found = await this.resolve(id, importer, { ...options, skipSelf: true });
      if (!found?.id.startsWith(path.join(root, 'node_modules', id) + path.sep))
        throw new Error(`${id} is not in the project's own node_modules, where the bundle finds it`);
      return { id, external: true };
    },
  },
});

/** `import.meta` of our modules names the place where the module would be in the bundle as a separate file. */
const location = (root, rooms) => ({
  name: 'location',
  transform: {
    filter: { id: /\.ts$/, code: /import\.meta\.(?:url|dirname)/ },
    handler(_code, id, { magicString }) {
      const room = rooms.find(([folder]) => id.startsWith(path.join(root, folder) + path.sep));
      if (!room) return undefined;
      const [folder, { name }] = room;
      const file = JSON.stringify(`node_modules/${name}/${builtOf(path.relative(path.join(root, folder), id))}`);
      for (const what of ['url', 'dirname'])
        magicString.replaceAll(`import.meta.${what}`, `placeInBundle(${file}).${what}`);
      return { code: magicString.prepend(`import { placeInBundle } from '${PLACE}'; `) };
    },
  },
});

/** Fastify loads HTTP/2 at once, but uses it only if it is configured: 0.02 s in each service. */
const lazyHttp2 = `module.exports = {
  createServer: (...args) => process.getBuiltinModule('node:http2').createServer(...args),
  createSecureServer: (...args) => process.getBuiltinModule('node:http2').createSecureServer(...args),
};`;

/**
 * Loads Node's own modules by `getBuiltinModule`: an `import` of `node:http` reads each of its exports, and one of them loads the
 * HTTP client behind `fetch` (0.05 s in each process). The bundler's own first lines import `node:module`.
 */
const builtins = {
  name: 'builtins',
  resolveId: {
    filter: { id: /^[\w/:]+$/ },
    handler: (id) =>
      isBuiltin(id) && !/^(?:node:)?module$/.test(id) ? { id: `\0builtin:${id}`, moduleSideEffects: false } : undefined,
  },
  load: {
    filter: { id: /^\0builtin:/ },
    handler: (id) =>
      id.endsWith(':http2')
        ? lazyHttp2
        : `module.exports = process.getBuiltinModule(${JSON.stringify(id.slice('\0builtin:'.length))});`,
  },
};

/** Keeps only zod's English messages of fifty languages, because no others are shown: 0.4 MB in each process. */
const english = {
  name: 'english',
  load: {
    filter: { id: /\/zod\/v4\/locales\/index\.js$/ },
    handler: () => `export { default as en } from './en.js';`,
  },
};

/**
 * The tus server can answer Node's requests itself, by an adapter that loads the HTTP client behind `fetch` at once. Our store gives
 * it web requests.
 */
const noAdapter = {
  name: 'no-adapter',
  load: {
    filter: { id: /\/srvx\/dist\/adapters\/node\.mjs$/ },
    handler: () => `const absent = () => { throw new Error('the adapter of srvx is not in the bundle'); };
      export { absent as NodeRequest, absent as sendNodeResponse };`,
  },
};

/** A file whose characters all fit into one byte needs half of the memory. */
const oneByte = (code) =>
  code.replace(/[\u0100-\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);

/**
 * Makes a bundle.
 * @param {string} root the project's folder
 * @param {string} folder the folder to make; in the project, because it uses the packages that are installed there
 */
export async function makeBundle(root, folder) {
  const rooms = ROOMS.map((room) => [room, readJson(path.join(root, room, 'package.json'))]);
  const build = await rolldown({
    cwd: root,
    platform: 'node',
    tsconfig: false,
    experimental: { nativeMagicString: true },
    input: entriesOf(root, rooms),
    // Node 22, the oldest supported version, cannot read `await using`.
    transform: { target: 'node22.14' },
    preserveEntrySignatures: 'allow-extension',
    resolve: { conditionNames: ['cl-source', 'node', 'import', 'module'], extensionAlias: { '.js': ['.ts', '.js'] } },
    plugins: [builtins, english, noAdapter, resolution(root), location(root, rooms)],
  });
  const { output } = await build.write({
    dir: folder,
    format: 'esm',
    sourcemap: true,
    keepNames: true,
    comments: false,
    strictExecutionOrder: true,
    codeSplitting: { groups: GROUPS, includeDependenciesRecursively: false },
    entryFileNames: '[name]',
    chunkFileNames: `${CHUNKS}/[name]-[hash].js`,
  });
  await build.close();
  const write = (file, content) => {
    const target = path.join(folder, file);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, typeof content === 'string' ? content : `${JSON.stringify(content, null, 2)}\n`);
  };
  for (const { type, fileName, code } of output) if (type === 'chunk') write(fileName, oneByte(code));
  write('package.json', { type: 'module', private: true });
  write(`${CHUNKS}/package.json`, { type: 'module' });
  write(`node_modules/${PLACE}/package.json`, { name: PLACE, type: 'module', exports: './index.js' });
  write(`node_modules/${PLACE}/index.js`, fs.readFileSync(path.join(import.meta.dirname, 'bundle-place.js'), 'utf8'));
  for (const [room, { name, version, type, exports, clServer }] of rooms) {
    write(`node_modules/${name}/package.json`, { name, version, type, exports, clServer });
    // Files that a package reads: a model, and the templates of plugins.
    for (const files of ['included', 'templates'].map((name) => path.join(root, room, name)))
      if (fs.existsSync(files))
        fs.cpSync(files, path.join(folder, 'node_modules', name, path.basename(files)), { recursive: true });
  }
}

// This file is also a program, which runs in a separate process, because the bundler needs 0.4 GB that nobody needs afterwards.
if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await makeBundle(process.argv[2], process.argv[3]);
