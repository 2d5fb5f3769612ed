// The reference for reads of the store: the same row of the same file with nothing around it. Its only argument is the
// file.
import BetterSqlite3 from 'better-sqlite3';
import Fastify from 'fastify';

const byId = new BetterSqlite3(process.argv[2], { readonly: true }).prepare('select * from entities where id = ?');
const fastify = Fastify();
fastify.get('/entities/:id', (request) => byId.get(Number(request.params.id)));
process.on('message', () => process.exit(0));
process.send?.({ type: 'ready', info: { url: await fastify.listen({ host: '127.0.0.1', port: 0 }) } });
