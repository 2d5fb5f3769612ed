export { type ComputeOptions, type ComputeService, createComputeService } from './service.js';
