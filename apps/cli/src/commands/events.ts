import type { JobEvent } from '@cl-server/client';
import type { Command } from 'commander';
import { count, group, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { CliError, EXIT } from '../exit-codes.js';
import { timeText } from '../views.js';
import type { World } from '../world.js';

interface TailOptions {
  readonly job?: string;
  readonly workers?: boolean;
  readonly items?: boolean;
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

/** Prints messages as they arrive, until Ctrl-C or until the requested number has arrived. */
async function tail(context: Context, options: TailOptions): Promise<void> {
  const platform = await context.platform();
  if (options.job !== undefined) return tailJob(context, options.job);
  const { mqtt } = platform;
  if (!mqtt)
    throw new CliError(
      'Receiving events needs MQTT, but no broker is configured',
      EXIT.usage,
      'A single job can be followed without MQTT: --job',
    );
  const { TOPICS } = await import('@cl-server/client');
  const topics = [...(options.topic ? [options.topic] : []), ...(options.workers ? [`${TOPICS.workers}/+`] : [])];
  if (topics.length === 0 && !options.items) topics.push(TOPICS.jobEvents);
  let left = options.count ?? Number.POSITIVE_INFINITY;
  await new Promise<void>((resolve, reject) => {
    context.signal.addEventListener('abort', () => resolve(), { once: true });
    const receive = (where: string, message: unknown): void => {
      if (left <= 0) return;
      left -= 1;
      print(context, where, message);
      if (left <= 0) resolve();
    };
    for (const topic of topics)
      mqtt.subscribe(topic, (where, payload) => receive(where, parsed(payload))).catch(reject);
    if (options.items)
      platform.store.topics
        .get()
        .then(({ items }) => platform.events.on('item', (item) => receive(items, item)))
        .catch(reject);
  });
}

function print({ out }: Context, topic: string, message: unknown): void {
  if (out.format !== 'human') {
    out.jsonLine({ topic, message });
    return;
  }
  const event = message as Partial<JobEvent> | null;
  if (event?.job_id !== undefined && event.event_type !== undefined)
    out.write(`${timeText(event.timestamp ?? null)}  ${event.job_id}  ${event.event_type}  ${event.progress ?? 0}%\n`);
  else out.write(`${topic}  ${JSON.stringify(message)}\n`);
}

async function tailJob(context: Context, id: string): Promise<void> {
  const handle = (await context.platform()).compute.jobs.handle(id, { signal: context.signal });
  for await (const { state, progress, timestamp } of handle.events()) {
    if (context.out.format === 'human') context.out.write(`${timeText(timestamp)}  ${id}  ${state}  ${progress}%\n`);
    else context.out.jsonLine({ job_id: id, state, progress, timestamp });
  }
}

export function register(program: Command, world: World): void {
  leafMaker(group(program, 'events', 'Live events'), world)('tail', 'Print events as they arrive')
    .option('--job <id>', 'events of one job, until it ends')
    .option('--workers', 'changes of the workers')
    .option('--items', 'new and changed entities')
    .option('--topic <filter>', 'messages of any MQTT topic')
    .option('-n, --count <n>', 'stop after this many events', count)
    .run(tail);
}
