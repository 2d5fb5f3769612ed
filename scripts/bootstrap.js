// First program of `npm start`, `npm test`, `npm run demo` and `npm run bench`: makes what is missing, then hands over.
// Plain JavaScript without dependencies, since it runs before any is installed. This file keeps to syntax that old
// versions of Node can read, so that they can be told which one is needed.

var NEEDED = [20, 19];
var version = process.versions.node.split('.').map(Number);

if (version[0] < NEEDED[0] || (version[0] === NEEDED[0] && version[1] < NEEDED[1])) {
  process.stderr.write(
    'cl-server: Node ' +
      NEEDED.join('.') +
      ' or newer is needed, this is ' +
      process.versions.node +
      ': install it from nodejs.org or with a version manager\n',
  );
  process.exitCode = 1;
} else {
  import('./bootstrap/main.js').then((main) => main.bootstrap(process.argv[2], process.argv.slice(3)));
}
