#!/usr/bin/env node
// The program behind `npx vitest`: the bootstrap links it in place of vitest's own program, which older versions of Node cannot read.
import { onSupportedNode } from '../packages/contract/bin/supported-node.js';

onSupportedNode(() => import('../node_modules/vitest/vitest.mjs'));
