/** The reference: Fastify without our code, which sends the JSON that it received as an argument. */
import Fastify from 'fastify';

const body = JSON.parse(process.argv[2]);
const fastify = Fastify();
fastify.get('/', async () => body);
process.on('message', () => fastify.close().then(() => process.exit(0)));
process.on('disconnect', () => process.exit(0));
process.send({ type: 'ready', info: { url: await fastify.listen({ host: '127.0.0.1', port: 0 }) } });
