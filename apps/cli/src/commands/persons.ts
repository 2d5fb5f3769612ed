import type { Command } from 'commander';
import { count, group, idOf, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { faceView, personId, personIds } from '../entities/persons.js';
import { CliError, EXIT } from '../exit-codes.js';
import { forEach, wordsOf } from '../targets.js';
import { PERSON, timeText } from '../views.js';
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

async function rename(context: Context, who: string, name: string): Promise<void> {
  const id = await personId(context, who);
  await context.out.one(await (await personsOf(context)).rename(id, name, context.call), PERSON.id);
}

export function register(program: Command, world: World): void {
  const persons = group(program, 'persons', 'People found in your photos');
  persons.addHelpText('after', '\nInstead of the id of a person, the name may be given.');
  const leaf = leafMaker(persons, world);
  leaf('list', 'List all people').run(async (context) =>
    context.out.many(await (await personsOf(context)).list(context.call), {
      ...PERSON,
      whenEmpty: () => whyNobody(context),
    }),
  );
  leaf('get <ids...>', 'Show people').run(async (context, words) => {
    const persons = await personsOf(context);
    await forEach(context, await personIds(context, words), (id) => persons.get(id, context.call), { view: PERSON });
  });
  leaf('faces <id>', 'List the faces of a person').run(async (context, who) => {
    const faces = await (await personsOf(context)).faces(await personId(context, who), context.call);
    await context.out.many(faces, await faceView(context, faces));
  });
  leaf('rename <id> <name>', 'Name a person').run(rename);
  leaf('update <id>', 'Same as rename')
    .option('-n, --name <name>', 'name of the person')
    .run(async (context, id, { name }) => {
      if (name === undefined) throw new CliError('Give --name', EXIT.usage);
      await rename(context, id, name);
    });
  leaf('merge <id> <others...>', 'Merge other people into this one').run(async (context, who, others) => {
    const [id, merged] = [await personId(context, who), await personIds(context, others)];
    await context.out.one(await (await personsOf(context)).merge(id, merged, context.call), PERSON.id);
  });
  leaf('split <id> <face-ids...>', 'Move some faces to another person')
    .option('-n, --name <name>', 'name of the new person')
    .run(async (context, who, words, { name }) => {
      const faces = (await wordsOf(words, world.stdin)).map(idOf);
      const id = await personId(context, who);
      await context.out.one(await (await personsOf(context)).split(id, faces, name, context.call), PERSON.id);
    });
  leaf('hide <ids...>', 'Hide people from the list')
    .option('--show', 'show them again')
    .run(async (context, words, { show = false }) => {
      const persons = await personsOf(context);
      const hide = (id: number) => persons.hide(id, !show, context.call);
      await forEach(context, await personIds(context, words), hide, { view: PERSON });
    });
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
