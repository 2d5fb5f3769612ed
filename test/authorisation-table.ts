/**
 * The authorisation table, written by hand: it says who may call which endpoint. The test compares the endpoint tables with it, so
 * that no new endpoint and no changed access rule goes unnoticed.
 */
import type { Guard } from '@cl-server/contract';

export const SERVICES = ['auth', 'store', 'compute'] as const;
export type Service = (typeof SERVICES)[number];

const SYSTEM = {
  'GET /livez': 'public',
  'GET /readyz': 'public',
  'GET /metrics': 'public',
  'GET /openapi.json': 'public',
  /** Stands for all pages below it, too. */
  'GET /docs': 'public',
} as const;

const JOBS = {
  'POST /jobs/batch': 'compute',
  'POST /jobs/{task_type}': 'compute',
  /** The route of a plugin, with its other path. */
  'POST /jobs/counting': 'compute',
  'POST /compute/jobs/counting': 'compute',
  'GET /jobs': 'compute',
  'GET /jobs/{job_id}': 'compute',
  'DELETE /jobs/{job_id}': 'compute',
  'GET /jobs/{job_id}/files/{file_path*}': 'compute',
  'POST /jobs/{job_id}/cancel': 'compute',
  'POST /jobs/{job_id}/retry': 'compute',
  'GET /jobs/{job_id}/events': 'compute',
  'GET /tasks': 'public',
} as const;

export const EXPECTED_GUARDS: Readonly<Record<Service, Readonly<Record<string, Guard>>>> = {
  auth: {
    ...SYSTEM,
    'GET /': 'public',
    'POST /auth/token': 'public',
    'POST /auth/token/refresh': 'user',
    'POST /auth/sessions': 'public',
    'POST /auth/sessions/refresh': 'public',
    'GET /auth/sessions': 'user',
    'DELETE /auth/sessions': 'user',
    'DELETE /auth/sessions/{session_id}': 'user',
    'GET /auth/public-key': 'public',
    'GET /.well-known/jwks.json': 'public',
    'GET /.well-known/cl-server': 'public',
    'GET /auth/revocations': 'service',
    'GET /users/me': 'user',
    'PUT /users/me/password': 'user',
    'POST /users': 'admin',
    'GET /users': 'admin',
    'GET /users/{user_id}': 'admin',
    'PUT /users/{user_id}': 'admin',
    'PATCH /users/{user_id}': 'admin',
    'DELETE /users/{user_id}': 'admin',
    'GET /audit': 'admin',
  },
  store: {
    ...SYSTEM,
    ...JOBS,
    'GET /': 'public',
    'GET /admin/pref': 'admin',
    'PUT /admin/pref/guest-mode': 'admin',
    'GET /system/audit': 'admin',
    'POST /system/clear-orphans': 'admin',
    'POST /system/purge-trash': 'admin',
    'GET /system/storage': 'admin',
    'GET /entities': 'read',
    'GET /entities/lookup': 'read',
    'POST /entities': 'write',
    'GET /entities/{entity_id}': 'read',
    'PUT /entities/{entity_id}': 'write',
    'PATCH /entities/{entity_id}': 'write',
    'DELETE /entities/{entity_id}': 'write',
    'GET /entities/{entity_id}/metadata': 'read',
    'GET /entities/{entity_id}/versions': 'read',
    'GET /entities/{entity_id}/versions/diff': 'read',
    'POST /entities/{entity_id}/versions/{version}/restore': 'write',
    'GET /entities/{entity_id}/media': 'media',
    'GET /entities/{entity_id}/preview': 'media',
    'GET /entities/{entity_id}/stream/adaptive.m3u8': 'media',
    'GET /entities/{entity_id}/stream/{filename}': 'media',
    'DELETE /entities/{entity_id}/stream': 'write',
    'POST /entities/{entity_id}/signed-urls': 'read',
    'POST /uploads': 'write',
    /** Stands for another method through X-HTTP-Method-Override, for clients behind proxies that only allow GET and POST. */
    'POST /uploads/{upload_id}': 'write',
    'HEAD /uploads/{upload_id}': 'write',
    'PATCH /uploads/{upload_id}': 'write',
    'DELETE /uploads/{upload_id}': 'write',
    'GET /m_insight/status': 'admin',
    'GET /intelligence/entities/{entity_id}': 'read',
    'GET /intelligence/entities/{entity_id}/faces': 'read',
    'GET /intelligence/entities/{entity_id}/jobs': 'read',
    'GET /intelligence/entities/{entity_id}/results': 'read',
    'GET /intelligence/entities/{entity_id}/vectors/{kind}': 'read',
    'GET /intelligence/entities/{entity_id}/clip_embedding': 'read',
    'GET /intelligence/entities/{entity_id}/dino_embedding': 'read',
    'GET /intelligence/faces/{face_id}/embedding': 'read',
    'DELETE /faces/{face_id}': 'write',
    'GET /intelligence/known-persons': 'read',
    'GET /intelligence/known-persons/{person_id}': 'read',
    'GET /intelligence/known-persons/{person_id}/faces': 'read',
    'PATCH /intelligence/known-persons/{person_id}': 'write',
    'PUT /intelligence/known-persons/{person_id}/hidden': 'write',
    'POST /intelligence/known-persons/{person_id}/merge': 'write',
    'POST /intelligence/known-persons/{person_id}/split': 'write',
    'PUT /intelligence/faces/{face_id}/person': 'write',
    'GET /intelligence/person-decisions': 'read',
    'POST /intelligence/person-decisions/{decision_id}/undo': 'write',
    'POST /intelligence/entities/{entity_id}/retry': 'write',
    'GET /intelligence/entities/{entity_id}/similar': 'read',
    'GET /intelligence/faces/{face_id}/similar': 'read',
    'GET /intelligence/duplicates': 'read',
    'GET /intelligence/search': 'read',
    'POST /intelligence/search': 'read',
  },
  compute: {
    ...SYSTEM,
    ...JOBS,
    'GET /': 'public',
    'GET /capabilities': 'public',
    'GET /workers': 'compute',
    'GET /admin/jobs/storage/size': 'admin',
    'DELETE /admin/jobs/cleanup': 'admin',
    'GET /admin/pref': 'admin',
    'GET /admin/pref/guest-mode': 'admin',
    'PUT /admin/pref/guest-mode': 'admin',
  },
};

export const CALLERS = [
  'anonymous',
  'rubbish for a token',
  'service credential',
  'plain user',
  'media_store_read',
  'media_store_write',
  'ai_inference_support',
  '*',
  'admin',
] as const;
export type Caller = (typeof CALLERS)[number];

export const MODES = ['as installed', 'guests read', 'guests read and run jobs', 'no-auth'] as const;
export type Mode = (typeof MODES)[number];

type Verdict = 'in' | 401 | 403;

/** Whether the caller's token is invalid; for the access rule `service`, the services' own credential is valid. */
const NO_USER: ReadonlySet<Caller> = new Set(['anonymous', 'rubbish for a token', 'service credential']);

const only =
  (...allowed: readonly Caller[]) =>
  (caller: Caller): Verdict =>
    allowed.includes(caller) ? 'in' : NO_USER.has(caller) ? 401 : 403;

/** All modes are off, as in a new installation. An admin may do everything except act as a service. */
const CLOSED: Readonly<Record<Guard, (caller: Caller) => Verdict>> = {
  public: () => 'in',
  user: (caller) => (NO_USER.has(caller) ? 401 : 'in'),
  admin: only('admin'),
  compute: only('ai_inference_support', 'admin'),
  read: only('media_store_read', 'admin'),
  media: only('media_store_read', 'admin'),
  write: only('media_store_write', 'admin'),
  service: (caller) => (caller === 'service credential' ? 'in' : 401),
};

/** Strangers may read, but a token that is sent must be valid. */
const publicRead = (caller: Caller): Verdict => (NO_USER.has(caller) && caller !== 'anonymous' ? 401 : 'in');
const anyone = (): Verdict => 'in';
const guestsRead = { ...CLOSED, read: publicRead, media: publicRead };

const VERDICTS: Readonly<Record<Mode, typeof CLOSED>> = {
  'as installed': CLOSED,
  'guests read': guestsRead,
  // Reading and jobs are open; admin endpoints and writing to the store are not.
  'guests read and run jobs': { ...guestsRead, compute: anyone },
  'no-auth': { ...CLOSED, user: anyone, admin: anyone, compute: anyone, read: anyone, media: anyone, write: anyone },
};

/** The auth service has no open modes. */
export const verdict = (mode: Mode, service: Service, guard: Guard, caller: Caller): Verdict =>
  (service === 'auth' ? CLOSED : VERDICTS[mode])[guard](caller);
