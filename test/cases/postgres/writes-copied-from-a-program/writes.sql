COPY t FROM PROGRAM 'seq 20001 25000 | sed "s/.*/&\t&\tcopied/"';
COPY t (id, a) FROM PROGRAM 'seq 1 9 | sed "s/.*/&,-&/"' WITH (FORMAT csv);
DELETE FROM t WHERE id % 7 = 0;
