import type { EntityEvent, Job, JobEvent, WorkerCapability } from '@cl-server/client';
import type { Command } from 'commander';
import { count, group, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { CliError, EXIT } from '../exit-codes.js';
import { entityLine, JobChanges, jobLine, WorkerChanges } from '../io/event-lines.js';
import { cutEnd } from '../io/text-width.js';
import { jobId } from '../jobs.js';
import { labelOf, timeText } from '../views.js';
import type { World } from '../world.js';

interface TailOptions {
  readonly job?: string;
  readonly workers?: boolean;
  readonly items?: boolean;
  readonly entities?: boolean;
  readonly topic?: string;
  readonly count?: number;
}

const parsed = (payload: string): unknown => {
  try {
    return JSON.parse(payload) as unknown;
  } catch {
    return payload;
  }
};

/** Returns the text of a message for a person; undefined if the message is no change. */
type Describe = (topic: string, message: unknown) => Promise<string | undefined> | string | undefined;

/** Prints messages in the order of their arrival, although some need a request first. */
class Printer {
  readonly #context: Context;
  readonly #ended: () => void;
  #left: number;
  #turn: Promise<void> = Promise.resolve();

  constructor(context: Context, limit: number | undefined, ended: () => void) {
    this.#context = context;
    this.#left = limit ?? Number.POSITIVE_INFINITY;
    this.#ended = ended;
  }

  put(topic: string, message: unknown, describe: Describe): void {
    this.#turn = this.#turn.then(async () => {
      if (this.#left <= 0) return;
      const { out } = this.#context;
      if (out.format === 'human') {
        const text = await describe(topic, message);
        if (text === undefined) return;
        out.write(`${text}\n`);
      } else out.jsonLine({ topic, message });
      this.#left -= 1;
      if (this.#left <= 0) this.#ended();
    });
  }
}

/** The line of a job's event. A result is cut to the terminal, but the reason of a failure is not. */
function fitted({ out }: Context, event: JobEvent, job: Job | undefined): string {
  const line = jobLine(event, job);
  return out.width !== undefined && event.event_type === 'completed' ? cutEnd(line, out.width) : line;
}

/** Prints messages as they arrive, until Ctrl-C or until the requested number has arrived. */
async function tail(context: Context, options: TailOptions): Promise<void> {
  const platform = await context.platform();
  if (options.job !== undefined) return tailJob(context, options.job);
  const { mqtt, store, compute, events } = platform;
  if (!mqtt)
    throw new CliError(
      'Receiving events needs MQTT, but no broker is configured',
      EXIT.usage,
      'A single job can be followed without MQTT: --job',
    );
  const { TOPICS } = await import('@cl-server/client');
  const asked = [options.topic, options.workers, options.items, options.entities];
  await new Promise<void>((resolve, reject) => {
    context.signal.addEventListener('abort', () => resolve(), { once: true });
    const printer = new Printer(context, options.count, resolve);

    const nameOf = async (id: number): Promise<string | undefined> =>
      store.entities.get(id, context.call).then(labelOf, () => undefined);
    const listen = async (): Promise<void> => {
      if (options.topic)
        await mqtt.subscribe(options.topic, (topic, payload) =>
          printer.put(topic, parsed(payload), (where, message) => `${where}  ${JSON.stringify(message)}`),
        );
      if (options.workers) {
        const changes = new WorkerChanges();
        await mqtt.subscribe(`${TOPICS.workers}/+`, (topic, payload) =>
          printer.put(topic, payload === '' ? null : parsed(payload), (_, message) =>
            changes.line(
              topic.split('/').at(-1) ?? '',
              (message ?? undefined) as WorkerCapability | undefined,
              Date.now(),
            ),
          ),
        );
      }
      const topics = options.items || options.entities ? await store.topics.get() : undefined;
      if (options.items && topics)
        await events.on('item', (item) =>
          printer.put(
            topics.items,
            item,
            async () => `${timeText(item.timestamp)}  ${item.id}  ${(await nameOf(item.id)) ?? ''}`,
          ),
        );
      if (options.entities && topics)
        await events.on('entity', (event: EntityEvent) =>
          printer.put(topics.entities, event, async () =>
            entityLine(event, event.change === 'removed' ? undefined : await nameOf(event.id)),
          ),
        );
      if (asked.some((one) => one)) return;
      const changes = new JobChanges();
      const { format } = context.out;
      await mqtt.subscribe(TOPICS.jobEvents, (topic, payload) => {
        const event = parsed(payload) as JobEvent;
        const isNew = changes.isNew(event);
        const isEnd = event.event_type === 'completed' || event.event_type === 'failed';
        // Programs receive progress, too, but the end of a job only once.
        if (!isNew && (format === 'human' || isEnd)) return;
        printer.put(topic, event, async () =>
          fitted(context, event, await compute.jobs.get(event.job_id, context.call).catch(() => undefined)),
        );
      });
    };
    listen().catch(reject);
  });
}

async function tailJob(context: Context, word: string): Promise<void> {
  const { jobs } = (await context.platform()).compute;
  const id = await jobId(jobs, word, context);
  const changes = new JobChanges();
  for await (const { state, progress, timestamp } of jobs.handle(id, { signal: context.signal }).events()) {
    if (context.out.format !== 'human') {
      context.out.jsonLine({ job_id: id, state, progress, timestamp });
      continue;
    }
    const event_type = state === 'cancelled' ? 'failed' : state;
    const event = { job_id: id, event_type, progress, timestamp };
    if (changes.isNew(event)) context.out.write(`${fitted(context, event, await jobs.get(id, context.call))}\n`);
  }
}

export function register(program: Command, world: World): void {
  leafMaker(group(program, 'events', 'Live events'), world)(
    'tail',
    'Print changes of jobs, or other events, as they arrive',
  )
    .option('--job <id>', 'changes of one job, until it ends')
    .option('--workers', 'workers that come, go, or can run other tasks')
    .option('--entities', 'changes of media and collections')
    .option('--items', 'new and replaced files')
    .option('--topic <filter>', 'messages of any MQTT topic')
    .option('-n, --count <n>', 'stop after this many events', count)
    .run(tail);
}
