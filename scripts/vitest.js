#!/usr/bin/env node
// What `npx vitest` starts: the bootstrap links it in place of vitest's own program, which older versions of Node cannot
// even read.
import { onSupportedNode } from '../packages/contract/bin/supported-node.js';

onSupportedNode(() => import('../node_modules/vitest/vitest.mjs'));
