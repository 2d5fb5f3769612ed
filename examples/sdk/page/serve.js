// Serves the page and the files of the SDK that its import map names.
//   node examples/sdk/page/serve.js [port]
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const root = path.join(import.meta.dirname, '../../..');
const FOLDERS = [
  'packages/client/dist',
  'packages/contract/dist',
  'packages/kit/dist',
  'node_modules/mqtt/dist',
  'node_modules/zod',
];
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css' };

/** The file of a path: of the page itself, or of one of the folders; undefined for any other. */
function fileOf(pathname) {
  const wanted = pathname.slice(1);
  const ofPage = { '': 'index.html', 'page.js': 'page.js', 'style.css': 'style.css' }[wanted];
  if (ofPage) return path.join(import.meta.dirname, ofPage);
  return FOLDERS.some((folder) => wanted.startsWith(`${folder}/`)) ? path.join(root, wanted) : undefined;
}

const server = http.createServer((request, response) => {
  const file = fileOf(new URL(request.url, 'http://localhost').pathname);
  const type = file && TYPES[path.extname(file)];
  if (!type || !fs.existsSync(file)) return response.writeHead(404).end();
  response.writeHead(200, { 'content-type': type });
  fs.createReadStream(file).pipe(response);
});
server.listen(Number(process.argv[2] ?? 5173), 'localhost', () =>
  console.log(`http://localhost:${server.address().port}`),
);
