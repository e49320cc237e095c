import { describe, expect, test } from 'vitest';
import { attachedReplicas } from '../../src/mysql/attached-replicas.ts';

const config = { host: 'db1.example', port: 3306, user: 'tableshift' };

describe('the replicas that a server tells of', () => {
  test('are where they report themselves', () => {
    const registered = [{ Server_Id: '7', Host: 'db2', Port: '3307', Source_Id: '1', Replica_UUID: 'a' }];
    const dumps = [{ User: 'repl', Host: '10.0.0.5:40312', Command: 'Binlog Dump GTID' }];
    expect(attachedReplicas({ registered, dumps, isMariaDb: false, config })).toEqual([
      { serverId: '7', label: 'db2:3307', addresses: [{ host: 'db2', port: 3307 }] },
    ]);
  });

  test('are on one of the hosts that read the log where they report no host', () => {
    const registered = [
      { Server_Id: '7', Host: '', Port: '3306' },
      { Server_Id: '8', Host: '', Port: '3307' },
    ];
    const dumps = [{ Host: '10.0.0.5:40312' }, { Host: '10.0.0.6:51234' }, { Host: '10.0.0.6:51235' }];
    expect(attachedReplicas({ registered, dumps, isMariaDb: false, config })).toEqual([
      {
        serverId: '7',
        label: 'server 7',
        addresses: [
          { host: '10.0.0.5', port: 3306 },
          { host: '10.0.0.6', port: 3306 },
        ],
      },
      {
        serverId: '8',
        label: 'server 8',
        addresses: [
          { host: '10.0.0.5', port: 3307 },
          { host: '10.0.0.6', port: 3307 },
        ],
      },
    ]);
  });

  test('have no address where the user may not see who reads the log', () => {
    const registered = [{ Server_id: '7', Host: '', Port: '3306', Master_id: '1' }];
    expect(attachedReplicas({ registered, dumps: [], isMariaDb: false, config })).toEqual([
      { serverId: '7', label: 'server 7', addresses: [] },
    ]);
  });

  test('are where the server is, not where we are, if they are local to it', () => {
    const registered = [{ Server_Id: '7', Host: '127.0.0.1', Port: '3307' }];
    expect(attachedReplicas({ registered, dumps: [], isMariaDb: false, config })[0]?.addresses).toEqual([
      { host: 'db1.example', port: 3307 },
    ]);
  });

  test('may be any other reader of the log on MariaDB, which lists only those that report a host', () => {
    const registered = [{ Server_id: '7', Host: '10.0.0.5', Port: '3306', Master_id: '1' }];
    const dumps = [
      { User: 'repl', Host: '10.0.0.5:40312' },
      { User: 'repl', Host: '10.0.0.6:51234' },
      { User: 'tableshift', Host: '10.0.0.9:51234' },
    ];
    expect(attachedReplicas({ registered, dumps, isMariaDb: true, config })).toEqual([
      { serverId: '7', label: '10.0.0.5:3306', addresses: [{ host: '10.0.0.5', port: 3306 }] },
      { serverId: null, label: '10.0.0.6:3306', addresses: [{ host: '10.0.0.6', port: 3306 }] },
    ]);
  });
});
