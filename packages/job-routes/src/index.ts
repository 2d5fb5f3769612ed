export { type CreationRequest, JobCreation } from './creation.js';
export { jobServiceFromSettings } from './from-settings.js';
export { GuestMode, type GuestModeOptions, type GuestModeState } from './guest-mode.js';
export { type JobPlace, type JobService, type JobServiceOptions, openJobService } from './job-service.js';
export { createJobApi, type JobApi, type JobApiOptions } from './serve.js';
export { jobServiceSettings } from './settings.js';
export { type Availability, WorkerViews } from './worker-views.js';
