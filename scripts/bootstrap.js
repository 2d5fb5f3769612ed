// First program of `npm start`, `npm test` and every other script of package.json: makes what is missing, then hands over.
// Plain JavaScript without dependencies, since it runs before any is installed. This file keeps to syntax that old
// versions of Node can read, so that they can be told which one is needed.

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
