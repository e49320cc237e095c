ALTER k TYPE text, ALTER a TYPE varchar(10), ALTER b TYPE char(10), ALTER c TYPE text, ALTER d TYPE char(5)
