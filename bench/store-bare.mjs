// What the store's read is measured against: the same row of the same file, nothing around it. Its one argument is the file.
import BetterSqlite3 from 'better-sqlite3';
import Fastify from 'fastify';

const byId = new BetterSqlite3(process.argv[2], { readonly: true }).prepare('select * from entities where id = ?');
const fastify = Fastify();
fastify.get('/entities/:id', (request) => byId.get(Number(request.params.id)));
process.on('message', () => process.exit(0));
process.send?.({ type: 'ready', info: { url: await fastify.listen({ host: '127.0.0.1', port: 0 }) } });
