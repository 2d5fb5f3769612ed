import type { Command } from 'commander';
import { count, group, idOf, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { CliError, EXIT } from '../exit-codes.js';
import { FACE, PERSON, timeText } from '../views.js';
import type { World } from '../world.js';

const personsOf = async (context: Context) => (await context.platform()).store.persons;

/** Faces that are not found or not compared are no persons, and that is another answer than "nobody". */
async function whyNobody(context: Context): Promise<string | undefined> {
  const tasks = await (await context.platform()).compute.jobs.tasks(context.call);
  const lacking = tasks.filter(
    ({ task_type, available }) => ['face_detection', 'face_embedding'].includes(task_type) && !available,
  );
  if (lacking.length === 0) return undefined;
  const reasons = lacking.map(({ task_type, reason }) => `${task_type}: ${reason ?? 'no worker runs it'}`);
  return `Nobody was looked for (${reasons.join('; ')})`;
}

async function rename(context: Context, id: string, name: string): Promise<void> {
  await context.out.one(await (await personsOf(context)).rename(idOf(id), name, context.call), PERSON.id);
}

export function register(program: Command, world: World): void {
  const leaf = leafMaker(group(program, 'persons', 'People whose faces were seen'), world);
  leaf('list', 'Everyone').does<[], object>(async (context) =>
    context.out.many(await (await personsOf(context)).list(context.call), {
      ...PERSON,
      whenEmpty: () => whyNobody(context),
    }),
  );
  leaf('get <id>', 'One person').does<[string], object>(async (context, id) =>
    context.out.one(await (await personsOf(context)).get(idOf(id), context.call), PERSON.id),
  );
  leaf('faces <id>', 'Faces of a person').does<[string], object>(async (context, id) =>
    context.out.many(await (await personsOf(context)).faces(idOf(id), context.call), FACE),
  );
  leaf('rename <id> <name>', 'Give a person a name').does<[string, string], object>(rename);
  leaf('update <id>', 'The same as rename')
    .option('-n, --name <name>', 'the name')
    .does<[string], { readonly name?: string }>(async (context, id, { name }) => {
      if (name === undefined) throw new CliError('Give --name', EXIT.usage);
      await rename(context, id, name);
    });
  leaf('merge <id> <others...>', 'Say that others are this person').does<[string, string[]], object>(
    async (context, id, others) =>
      context.out.one(await (await personsOf(context)).merge(idOf(id), others.map(idOf), context.call), PERSON.id),
  );
  leaf('split <id> <face-ids...>', 'Say that some faces are somebody else')
    .option('-n, --name <name>', 'name of the new person')
    .does<[string, string[]], { readonly name?: string }>(async (context, id, faces, { name }) => {
      const person = await (await personsOf(context)).split(idOf(id), faces.map(idOf), name, context.call);
      await context.out.one(person, PERSON.id);
    });
  leaf('hide <id>', 'Leave a person out of the list')
    .option('--show', 'show them again')
    .does<[string], { readonly show?: boolean }>(async (context, id, { show = false }) =>
      context.out.one(await (await personsOf(context)).hide(idOf(id), !show, context.call), PERSON.id),
    );
  leaf('decisions', 'What was decided about persons')
    .option('-l, --limit <n>', 'how many (default: all)', count)
    .does<[], { readonly limit?: number }>(async (context, { limit = Number.POSITIVE_INFINITY }) => {
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
  leaf('undo <decision-id>', 'Take a decision back').does<[string], object>(async (context, id) =>
    context.out.one(await (await personsOf(context)).undo(idOf(id), context.call), (decision) => decision.id),
  );
}
