// The house's floors: each room may import only what its row in ARCHITECTURE.md allows.
const rooms = {
  'packages/contract': [],
  'packages/runtime': ['packages/contract'],
  'packages/media': ['packages/contract', 'packages/runtime'],
  'packages/jobs': ['packages/contract', 'packages/runtime'],
  'packages/task-kit': ['packages/contract'],
  'packages/models': ['packages/contract', 'packages/runtime'],
  'packages/tasks': ['packages/contract', 'packages/task-kit', 'packages/media', 'packages/models'],
  'packages/job-routes': ['packages/contract', 'packages/runtime', 'packages/jobs', 'packages/task-kit'],
  'packages/worker': ['packages/contract', 'packages/runtime', 'packages/jobs', 'packages/task-kit', 'packages/models'],
  'packages/client': ['packages/contract'],
  'services/auth': ['packages'],
  'services/store': ['packages'],
  'services/compute': ['packages'],
  'apps/cli': ['packages/client', 'packages/contract'],
  'apps/server': ['packages/contract', 'packages/runtime', 'packages/task-kit', 'packages/models'],
};
const inside = (folders) => `^(${folders.join('|')})/`;

module.exports = {
  forbidden: [
    ...Object.entries(rooms).map(([room, allowed]) => ({
      name: `floor-${room}`,
      severity: 'error',
      comment: `${room} may import only: ${allowed.join(', ') || 'nothing of ours'}`,
      from: { path: `^${room}/(src|bin)/` },
      to: { path: '^(packages|services|apps|testing|bench)/', pathNot: inside([room, ...allowed]) },
    })),
    {
      name: 'no-deep-imports',
      severity: 'error',
      comment: 'Only a package’s public face, and its own files, may be imported',
      from: { path: '^((?:packages|services|apps)/[^/]+)/' },
      to: {
        path: '^(packages|services|apps)/[^/]+/(src|dist)/.+',
        pathNot: [
          '^$1/',
          '^packages/runtime/(src|dist)/(program|file-lock|gathering|broadcaster/index|tokens/index)\\.(ts|js|d\\.ts)$',
          '/(src|dist)/(index|testing|constants|printable|version|files/media-type|tasks/hamming)\\.(ts|js|d\\.ts)$',
        ],
      },
    },
    {
      name: 'no-circular',
      severity: 'error',
      comment: 'Modules that load each other; types alone may refer to each other',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'not-to-unlisted',
      severity: 'error',
      from: { path: '^(packages|services|apps)/[^/]+/src/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.test.json' },
    enhancedResolveOptions: {
      conditionNames: ['cl-source', 'import', 'node', 'default'],
      exportsFields: ['exports'],
      extensions: ['.ts', '.js', '.json'],
    },
  },
};
