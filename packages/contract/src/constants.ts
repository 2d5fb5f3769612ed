/**
 * Names and numbers that every side of the wire must agree on. No imports: the browser bundle takes this file as it is.
 */

/** Words for the state of a job, in the database, over HTTP and over MQTT. */
export const JOB_STATUSES = ['queued', 'processing', 'completed', 'failed'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

/** States that a job never leaves by itself. */
export const TERMINAL_STATUSES = ['completed', 'failed'] as const satisfies readonly JobStatus[];
export const isTerminal = (status: string): boolean => (TERMINAL_STATUSES as readonly string[]).includes(status);

/** Why a job failed, beside the text: stable words that programs may test. */
export const JOB_ERROR_CODES = [
  'cancelled',
  'invalid_input',
  'unsupported_media',
  'model_missing',
  'model_unusable',
  'tool_missing',
  'timeout',
  'worker_lost',
  'task_crashed',
  'quarantined',
  'task_failed',
] as const;
export type JobErrorCode = (typeof JOB_ERROR_CODES)[number];

/** Why a task cannot run on a machine until a person mends something there: its jobs do not wait for that. */
export const LACKS = ['model_missing', 'model_unusable', 'tool_missing'] as const satisfies readonly JobErrorCode[];
export type Lack = (typeof LACKS)[number];
export const isLack = (code: string | undefined): code is Lack =>
  (LACKS as readonly (string | undefined)[]).includes(code);

/** Permissions that the services check. Auth stores any other word too, and gives it no meaning. */
export const PERMISSIONS = {
  storeRead: 'media_store_read',
  storeWrite: 'media_store_write',
  compute: 'ai_inference_support',
  /** Priorities above the default. Without it they count as the default. */
  jobPriority: 'job_priority',
} as const;

/** Priority of a job: 10 is served first. */
export const PRIORITY = { min: 0, max: 10, default: 5, interactive: 10 } as const;

/** Default ports of a platform on one machine. */
export const PORTS = { auth: 8000, store: 8001, compute: 8002, mqtt: 1883, mqttWs: 9001 } as const;

/** MQTT topics; the two prefixes can be set (`MQTT_TOPIC`, `CAPABILITY_TOPIC_PREFIX`). */
export const TOPICS = {
  jobEvents: 'inference/events',
  workers: 'inference/workers',
  worker: (prefix: string, workerId: string): string => `${prefix}/${workerId}`,
  jobStatus: (jobId: string): string => `job/status/${jobId}`,
  storeItems: (storePort: number | string): string => `store/${storePort}/items`,
  storeEntities: (storePort: number | string): string => `store/${storePort}/entities`,
  /** Retained: whether reading is open to everyone. The broker lets strangers listen accordingly. */
  storeReading: (storePort: number | string): string => `store/${storePort}/reading`,
  insightStatus: (storePort: number): string => `mInsight/${storePort}/status`,
  entityStatus: (storePort: number | string, entityId: number | string): string =>
    `mInsight/${storePort}/entity_item_status/${entityId}`,
} as const;

/** User name with which the services' own processes connect to the broker. */
export const SERVICE_MQTT_USER = 'cl-service';

/** Issuer of every token. */
export const TOKEN_ISSUER = 'cl-server';

/** Audience of every token: the services of this platform. */
export const TOKEN_AUDIENCE = 'cl-server';

/** Task names that can never be a plugin's, because a path of the API has that name. */
export const RESERVED_TASK_NAMES = ['batch', 'events'] as const;

/** Stable word for a status whose cause has no word of its own. */
export const CODE_OF_STATUS: Readonly<Record<number, string>> = {
  400: 'bad_request',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  408: 'timeout',
  409: 'conflict',
  410: 'gone',
  411: 'length_required',
  412: 'precondition_failed',
  413: 'too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type',
  416: 'range_not_satisfiable',
  421: 'misdirected',
  422: 'validation',
  423: 'locked',
  429: 'too_many_requests',
  431: 'headers_too_large',
  500: 'internal',
  501: 'not_implemented',
  503: 'unavailable',
  507: 'storage_full',
};

export { SECRET_NAMES, SETTING_NAMES } from './setting-names.js';
