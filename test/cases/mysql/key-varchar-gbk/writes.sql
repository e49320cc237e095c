INSERT INTO t (k, note) VALUES (CONCAT(_gbk X'C4E3', _gbk X'BA5C'), 'new');
UPDATE t SET note = 'changed' WHERE k = _gbk X'BA5C' OR k = _gbk X'D65C27';
UPDATE t SET k = CONCAT(_gbk X'D65C27', _gbk X'C4E3'), note = 'moved' WHERE k = _gbk X'C4E3';
DELETE FROM t WHERE k = _gbk X'FE4F';
DELETE FROM t WHERE k = _gbk X'41';
INSERT INTO t (k, note) VALUES (_gbk X'41', 'again');
