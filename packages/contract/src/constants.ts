/**
 * Names and numbers that every side of the wire must agree on. This file imports nothing, because the browser bundle
 * includes it.
 */

/** The states of a job, in the database, over HTTP and over MQTT. */
export const JOB_STATUSES = ['queued', 'processing', 'completed', 'failed'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

/** States that a job never leaves by itself; only a retry queues it again. */
export const TERMINAL_STATUSES = ['completed', 'failed'] as const satisfies readonly JobStatus[];
export const isTerminal = (status: string): boolean => (TERMINAL_STATUSES as readonly string[]).includes(status);

/** Why a job failed, as stable words that programs may test; the message beside it is for people. */
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

/**
 * Reasons for which a task cannot run on a machine until a person repairs something there. Its jobs fail instead of
 * waiting for that.
 */
export const LACKS = ['model_missing', 'model_unusable', 'tool_missing'] as const satisfies readonly JobErrorCode[];
export type Lack = (typeof LACKS)[number];
export const isLack = (code: string | undefined): code is Lack =>
  (LACKS as readonly (string | undefined)[]).includes(code);

/** Permissions that the services check. Auth stores other words too, without a meaning. */
export const PERMISSIONS = {
  storeRead: 'media_store_read',
  storeWrite: 'media_store_write',
  compute: 'ai_inference_support',
  /** Allows priorities above the default. Without it they count as the default. */
  jobPriority: 'job_priority',
} as const;

/** Priority of a job: jobs with priority 10 run first. */
export const PRIORITY = { min: 0, max: 10, default: 5, interactive: 10 } as const;

/** Default ports of a platform that runs on one machine. */
export const PORTS = { auth: 8000, store: 8001, compute: 8002, mqtt: 1883, mqttWs: 9001 } as const;

/** MQTT topics; the two prefixes can be set (`MQTT_TOPIC`, `CAPABILITY_TOPIC_PREFIX`). */
export const TOPICS = {
  jobEvents: 'inference/events',
  workers: 'inference/workers',
  worker: (prefix: string, workerId: string): string => `${prefix}/${workerId}`,
  jobStatus: (jobId: string): string => `job/status/${jobId}`,
  storeItems: (storePort: number | string): string => `store/${storePort}/items`,
  storeEntities: (storePort: number | string): string => `store/${storePort}/entities`,
  /** A retained message: whether everyone may read. The broker lets anonymous clients subscribe accordingly. */
  storeReading: (storePort: number | string): string => `store/${storePort}/reading`,
  insightStatus: (storePort: number): string => `mInsight/${storePort}/status`,
  /** The prefix of `entityStatus`. */
  entityStatuses: (storePort: number | string): string => `mInsight/${storePort}/entity_item_status`,
  entityStatus: (storePort: number | string, entityId: number | string): string =>
    `mInsight/${storePort}/entity_item_status/${entityId}`,
} as const;

/** User name with which the platform's own processes connect to the broker. */
export const SERVICE_MQTT_USER = 'cl-service';

/** Issuer of all tokens. */
export const TOKEN_ISSUER = 'cl-server';

/** Audience of all tokens: the services of this platform. */
export const TOKEN_AUDIENCE = 'cl-server';

/** Names that a plugin's task cannot have, because a path of the API has them. */
export const RESERVED_TASK_NAMES = ['batch', 'events'] as const;

/** The default error code of each status, for refusals that have no more specific code. */
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
