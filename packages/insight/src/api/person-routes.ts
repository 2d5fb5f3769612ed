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
  type TokenClaims,
  undoPersonDecision,
} from '@cl-server/contract';
import { cursorCodec } from '@cl-server/kit';
import { type App, positionOf } from '@cl-server/service-kit';
import { decisionView, type PersonService } from '../persons/person-service.js';
import type { InsightReader } from './reader.js';
import { faceView } from './status-view.js';

const decisionCursors = cursorCodec('p');

export interface PersonRoutes {
  readonly persons: PersonService;
  readonly insights: InsightReader;
  readonly userOf: (claims: TokenClaims | null) => string | null;
}

export function servePersons(app: App, { persons, insights, userOf }: PersonRoutes): void {
  app.handle(listKnownPersons, ({ query }) => persons.list(query.include_hidden));
  app.handle(getKnownPerson, ({ params }) => persons.get(params.person_id));
  app.handle(getKnownPersonFaces, async ({ params }) => {
    await persons.get(params.person_id);
    return insights.facesOfPerson(params.person_id);
  });
  app.handle(renameKnownPerson, ({ params, json, user }) => persons.rename(params.person_id, json.name, userOf(user)));
  app.handle(hideKnownPerson, ({ params, form, user }) => persons.hide(params.person_id, form.hidden, userOf(user)));
  app.handle(mergeKnownPersons, ({ params, json, user }) =>
    persons.merge(params.person_id, json.person_ids, userOf(user)),
  );
  app.handle(splitKnownPerson, ({ params, json, user }) =>
    persons.split(params.person_id, json.face_ids, json.name ?? null, userOf(user)),
  );
  app.handle(moveFace, async ({ params, json, user }) =>
    faceView(await persons.move(params.face_id, json.person_id, userOf(user))),
  );
  app.handle(listPersonDecisions, async ({ query }) => {
    const before = positionOf(decisionCursors, query.cursor) ?? Number.MAX_SAFE_INTEGER;
    const rows = await persons.decisions(before, query.limit + 1);
    const page = rows.slice(0, query.limit);
    const last = page.at(-1);
    return {
      items: page.map(decisionView),
      next_cursor: rows.length > query.limit && last ? decisionCursors.encode(last.id) : null,
      total: await persons.decisionCount(),
    };
  });
  app.handle(undoPersonDecision, async ({ params, user }) =>
    decisionView(await persons.undo(params.decision_id, userOf(user))),
  );
}
