import {
  getKnownPerson,
  getKnownPersonFaces,
  hideKnownPerson,
  listKnownPersons,
  listPersonDecisions,
  mergeKnownPersons,
  moveFace,
  renameKnownPerson,
  splitKnownPerson,
  undoPersonDecision,
} from '@cl-server/contract';
import { cursorCodec } from '@cl-server/kit';
import { type App, positionOf } from '@cl-server/service-kit';
import type { InsightReader } from '../insight/reader.js';
import { faceView } from '../insight/view.js';
import { decisionView, type People } from '../persons/people.js';
import type { UserOf } from './entities.js';

const decisionCursors = cursorCodec('p');

export interface PersonRoutes {
  readonly people: People;
  readonly insights: InsightReader;
  readonly userOf: UserOf;
}

export function servePersons(app: App, { people, insights, userOf }: PersonRoutes): void {
  app.handle(listKnownPersons, ({ query }) => people.list(query.include_hidden));
  app.handle(getKnownPerson, ({ params }) => people.get(params.person_id));
  app.handle(getKnownPersonFaces, async ({ params }) => {
    await people.get(params.person_id);
    return insights.facesOfPerson(params.person_id);
  });
  app.handle(renameKnownPerson, ({ params, json, user }) => people.rename(params.person_id, json.name, userOf(user)));
  app.handle(hideKnownPerson, ({ params, form, user }) => people.hide(params.person_id, form.hidden, userOf(user)));
  app.handle(mergeKnownPersons, ({ params, json, user }) =>
    people.merge(params.person_id, json.person_ids, userOf(user)),
  );
  app.handle(splitKnownPerson, ({ params, json, user }) =>
    people.split(params.person_id, json.face_ids, json.name ?? null, userOf(user)),
  );
  app.handle(moveFace, async ({ params, json, user }) =>
    faceView(await people.move(params.face_id, json.person_id, userOf(user))),
  );
  app.handle(listPersonDecisions, async ({ query }) => {
    const before = positionOf(decisionCursors, query.cursor) ?? Number.MAX_SAFE_INTEGER;
    const rows = await people.decisions(before, query.limit + 1);
    const page = rows.slice(0, query.limit);
    const last = page.at(-1);
    return {
      items: page.map(decisionView),
      next_cursor: rows.length > query.limit && last ? decisionCursors.encode(last.id) : null,
      total: await people.decisionCount(),
    };
  });
  app.handle(undoPersonDecision, async ({ params, user }) =>
    decisionView(await people.undo(params.decision_id, userOf(user))),
  );
}
