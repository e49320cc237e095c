UPDATE t SET y = 'z' || y WHERE x = 3;
UPDATE t SET x = 1000 + x;
UPDATE t SET x = 1030 - x;
UPDATE t SET y = '' WHERE a = 7;
DELETE FROM t WHERE y = 'y5';
