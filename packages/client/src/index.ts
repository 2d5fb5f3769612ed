/**
 * The SDK of CL Server, for Node and the browser.
 *
 * @packageDocumentation
 */
export type * from '@cl-server/contract';
export { JOB_STATUSES, PERMISSIONS, PORTS, PRIORITY, TOPICS } from '@cl-server/contract/constants';
export { distance } from '@cl-server/contract/hamming';
export { topicMatches } from '@cl-server/kit/topics';
export * from './auth/auth-client.js';
export * from './auth/provider.js';
export * from './auth/session.js';
export * from './auth/sessions-client.js';
export type { HeldToken } from './auth/token.js';
export * from './auth/token-store.js';
export * from './auth/users-client.js';
export * from './cl-server.js';
export * from './compute/admin-client.js';
export { ComputeClient, type ComputeClientOptions, type Transport } from './compute/compute-client.js';
export * from './compute/tasks.js';
export * from './compute/workers-client.js';
export * from './config/discover.js';
export * from './config/urls.js';
export * from './errors.js';
export * from './events/events-client.js';
export type { Downloaded, DownloadOptions } from './files/download.js';
export type { FileBody } from './files/file-body.js';
export * from './files/map.js';
export { isMediaName, mediaTypeOf } from './files/media-type.js';
export type { ResumableOptions } from './files/resumable.js';
export type { FileData, FileInput, NamedFile } from './files/source.js';
export type { Fields, OnProgress, Progress } from './http/body.js';
export {
  type CallOptions,
  HttpClient,
  type HttpClientOptions,
  type OpenAnswer,
  type RequestTrace,
} from './http/http-client.js';
export type { Call, RequestSpec } from './http/request.js';
export type { RetryPolicy } from './http/retry.js';
export * from './http/system-client.js';
export type { JobChannel, JobListener } from './jobs/channel.js';
export type { PollPolicy } from './jobs/follow.js';
export { JobHandle, type WaitOptions } from './jobs/job-handle.js';
export * from './jobs/jobs-client.js';
export { type CompletedJob, hasEnded, type JobState, type JobUpdate, jobState } from './jobs/state.js';
export * from './mqtt/connection.js';
export * from './store/admin-client.js';
export * from './store/entities-client.js';
export * from './store/intelligence-client.js';
export * from './store/media-client.js';
export * from './store/persons-client.js';
export * from './store/search-client.js';
export * from './store/store-client.js';
export * from './store/topics.js';
export { VERSION } from './version.js';
