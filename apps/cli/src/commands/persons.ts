import type { Command } from 'commander';
import { count, group, idOf, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { CliError, EXIT } from '../exit-codes.js';
import { FACE, PERSON, timeText } from '../views.js';
import type { World } from '../world.js';

const personsOf = async (context: Context) => (await context.platform()).store.persons;

/** Explains an empty list: if faces cannot be detected or compared, the reason is not that there are no persons. */
async function whyNobody(context: Context): Promise<string | undefined> {
  const tasks = await (await context.platform()).compute.jobs.tasks(context.call);
  const lacking = tasks.filter(
    ({ task_type, available }) => ['face_detection', 'face_embedding'].includes(task_type) && !available,
  );
  if (lacking.length === 0) return undefined;
  const reasons = lacking.map(({ task_type, reason }) => `${task_type}: ${reason ?? 'no worker runs it'}`);
  return `Persons cannot be recognised (${reasons.join('; ')})`;
}

async function rename(context: Context, id: string, name: string): Promise<void> {
  await context.out.one(await (await personsOf(context)).rename(idOf(id), name, context.call), PERSON.id);
}

export function register(program: Command, world: World): void {
  const leaf = leafMaker(group(program, 'persons', 'People found in your photos'), world);
  leaf('list', 'List all people').run(async (context) =>
    context.out.many(await (await personsOf(context)).list(context.call), {
      ...PERSON,
      whenEmpty: () => whyNobody(context),
    }),
  );
  leaf('get <id>', 'Show one person').run(async (context, id) =>
    context.out.one(await (await personsOf(context)).get(idOf(id), context.call), PERSON.id),
  );
  leaf('faces <id>', 'List the faces of a person').run(async (context, id) =>
    context.out.many(await (await personsOf(context)).faces(idOf(id), context.call), FACE),
  );
  leaf('rename <id> <name>', 'Name a person').run(rename);
  leaf('update <id>', 'Same as rename')
    .option('-n, --name <name>', 'name of the person')
    .run(async (context, id, { name }) => {
      if (name === undefined) throw new CliError('Give --name', EXIT.usage);
      await rename(context, id, name);
    });
  leaf('merge <id> <others...>', 'Merge other people into this one').run(async (context, id, others) =>
    context.out.one(await (await personsOf(context)).merge(idOf(id), others.map(idOf), context.call), PERSON.id),
  );
  leaf('split <id> <face-ids...>', 'Move some faces to another person')
    .option('-n, --name <name>', 'name of the new person')
    .run(async (context, id, faces, { name }) => {
      const person = await (await personsOf(context)).split(idOf(id), faces.map(idOf), name, context.call);
      await context.out.one(person, PERSON.id);
    });
  leaf('hide <id>', 'Hide a person from the list')
    .option('--show', 'show the person again')
    .run(async (context, id, { show = false }) =>
      context.out.one(await (await personsOf(context)).hide(idOf(id), !show, context.call), PERSON.id),
    );
  leaf('decisions', 'List decisions about persons')
    .option('-l, --limit <n>', 'number of decisions (default: all)', count)
    .run(async (context, { limit = Number.POSITIVE_INFINITY }) => {
      const rows = [];
      for await (const row of (await personsOf(context)).decisions(context.call)) {
        if (rows.length >= limit) break;
        rows.push(row);
      }
      await context.out.many(rows, {
        columns: [
          { title: 'ID', value: ({ id }) => id },
          { title: 'What', value: ({ kind }) => kind },
          { title: 'Person', value: ({ person_id }) => person_id },
          { title: 'Faces', value: ({ face_ids }) => face_ids.join(' ') },
          { title: 'When', value: ({ decided_at }) => timeText(decided_at) },
          { title: '', value: ({ undone }) => (undone ? 'undone' : '') },
        ],
        id: ({ id }) => id,
      });
    });
  leaf('undo <decision-id>', 'Undo a decision').run(async (context, id) =>
    context.out.one(await (await personsOf(context)).undo(idOf(id), context.call), (decision) => decision.id),
  );
}
