ALTER vb3 TYPE varbit(6), ALTER c TYPE inet, ADD COLUMN added bit(3) DEFAULT B'101'
