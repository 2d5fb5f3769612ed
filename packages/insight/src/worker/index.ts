/** The insight worker, for the program that opens a store and runs it. */
export { type InsightStore, type OpenInsightStore, startInsightWorker } from './program.js';
