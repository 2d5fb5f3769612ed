// The first program of `npm start`, `npm test` and every other script of package.json: installs and builds what is missing, then
// starts the requested program. It is plain JavaScript without dependencies, because it runs before any are installed. This file
// uses only syntax that old versions of Node can read, so that it can tell them which version is needed.

if (Number(process.versions.node.split('.')[0]) < 18) {
  process.stderr.write(
    `cl-server: this is Node ${process.versions.node}, and 22.14 or newer is needed: install Node 24\n`,
  );
  process.exitCode = 1;
} else {
  import('../packages/contract/bin/supported-node.js').then((node) =>
    node.onSupportedNode(() =>
      import('./bootstrap/main.js').then((main) => main.bootstrap(process.argv[2], process.argv.slice(3))),
    ),
  );
}
