ALTER k TYPE varchar(10), ALTER a TYPE text, ALTER b TYPE char(6), ALTER c TYPE varchar
