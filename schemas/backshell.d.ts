// What a script of a definition sees. Generated from the table of methods; do not edit.
//
// In a script beside a definition:  /// <reference path="backshell.d.ts" />

/** What a parameter or a cell holds; null is empty. */
type Cell = any;

/** What a parameter or a cell takes: true is 1, false is 0, null and undefined are empty. */
type Settable = string | number | bigint | boolean | Uint8Array | ArrayBuffer | null | undefined;

/** What `protocol.Clear` and `protocol.Leave` are: instead of a value, in a row or a column. */
type CellMark = symbol & { readonly __cell: "Clear" | "Leave" };

/** What a cell of a row or of a column takes. */
type CellInput = Settable | CellMark;

declare enum LogType {
    Error = 1,
    DebugInfo = 2,
    Information = 4,
    Allways = 8,
}

declare enum LogLevel {
    NoLogging = -1,
    DevelopmentLogging = 0,
    Level1 = 1,
    Level2 = 2,
    Level3 = 3,
    Level4 = 4,
    Level5 = 5,
    LogEverything = 6,
}

declare namespace NotifyProtocol {
    enum SaveOption {
        Full = 0,
        Partial = 1,
    }
}

declare namespace NotifyProtocol {
    enum KeyType {
        Index = 0,
        DisplayKey = 1,
    }
}

/** The element, as its scripts see it: the first argument of every entry point. */
interface SLProtocol {
    /** The name of the element. */
    readonly ElementName: string;

    /** The name of the definition. */
    readonly ProtocolName: string;

    /** The version of the definition. */
    readonly ProtocolVersion: string;

    /** The id of the script that runs. */
    readonly QActionID: number;

    /** Whether the element runs: true. */
    readonly IsActive: boolean;

    /** As a cell of `SetRow` or `FillArray`: empties it. */
    readonly Clear: CellMark;

    /** As a cell of `SetRow` or `FillArray`: leaves it as it is. */
    readonly Leave: CellMark;

    /** The value of a parameter; 0 of an empty one that holds a number, an empty text of one that holds text. Of a table its rows, of a column its cells. */
    GetParameter(pid: number): Cell;

    /** Sets a parameter; all that this causes is done before it returns. 0, or -1 if the value was not taken. */
    SetParameter(pid: number, value: Settable): number;

    /** The values of several parameters, in order. */
    GetParameters(pids: readonly number[]): Cell[];

    /** Sets several parameters: all of them first, then what this causes runs in order. For each 0, or -1 if its value was not taken. */
    SetParameters(pids: readonly number[], values: readonly Settable[]): number[];

    /** The value of the parameter with a name that can be read. */
    GetParameterByName(name: string): Cell;

    /** Sets the parameter with a name, the one for writing if there are two. 0, or -1 if the value was not taken. */
    SetParameterByName(name: string, value: Settable): number;

    /** Sets the parameter with a name that can be read. 0, or -1 if the value was not taken. */
    SetReadParameterByName(name: string, value: Settable): number;

    /** Whether a parameter has no value; an empty text is one. A table is empty without rows, a column if none of its cells has a value. */
    IsEmpty(pid: number): boolean;

    /** An input parameter (`inputParameters`) as it was at the start of the run, counted from 0. */
    GetInputParameter(index: number): any;

    /** The id of the parameter, or of the group, that runs the script. */
    GetTriggerParameter(): number;

    /** Runs a trigger with its conditions; all that it causes is done before it returns. 0, or -1 if there is no such trigger. */
    CheckTrigger(id: number): number;

    /** Writes a line into the element's log. */
    Log(message: string, type?: LogType, level?: LogLevel): void;
    Log(type: number, level: number, message: string): void;

    /** Adds a row, by its cells in the order of the columns, or by its key alone. Its place, from 1; 0 if it was not taken, because its key is there already, say. */
    AddRow(table: number, row: readonly CellInput[]): number;
    AddRow(table: number, key: string): number;

    /** Adds a row; its key, which an `autoincrement` column makes by itself. Null if it was not taken. */
    AddRowReturnKey(table: number, row?: readonly CellInput[]): string | null;

    /** Sets the cells of a row, by its key or by its place from 0; null leaves a cell as it is, `protocol.Clear` empties it. For each cell 1 if the set made it another, else 0. */
    SetRow(table: number, key: string | number, row: readonly CellInput[]): number[];

    /** The cells of a row, by its key or by its place from 0; null if there is no such row. */
    GetRow(table: number, key: string | number): Cell[] | null;

    /** Takes rows away: one by its key or by its place from 1, or several by their keys: all of them first, then what this causes runs in order. How many rows are left. */
    DeleteRow(table: number, key: string | number | readonly string[]): number;

    /** Takes all rows of a table away. */
    ClearAllKeys(table: number): void;

    /** Whether a table has a row with a key. */
    Exists(table: number, key: string): boolean;

    /** How many rows a table has. */
    RowCount(table: number): number;

    /** The primary keys of a table in the order of its rows, or its display keys. */
    GetKeys(table: number, type?: NotifyProtocol.KeyType): string[];

    /** The place of a row, from 1; 0 if there is no such row. */
    GetKeyPosition(table: number, key: string): number;

    /** Fills a table: with columns, or with rows if an option is given. Rows that are not named go, unless it is `SaveOption.Partial`. Null empties a cell, undefined leaves it. Whether all was taken; what was not is reported. */
    FillArray(table: number, columns: readonly (readonly CellInput[])[]): boolean;
    FillArray(table: number, rows: readonly (readonly CellInput[])[], option: NotifyProtocol.SaveOption): boolean;

    /** Fills a table with columns; rows that are not named stay. Whether all was taken; what was not is reported. */
    FillArrayNoDelete(table: number, columns: readonly (readonly CellInput[])[]): boolean;

    /** Fills one column, named by its parameter, of the rows with these keys; missing rows are added, others stay. Whether all was taken; what was not is reported. */
    FillArrayWithColumn(table: number, column: number, keys: readonly string[], values: readonly CellInput[]): boolean;

    /** A cell by the places of its row and its column, both from 1; null if it is empty or not there. */
    GetParameterIndex(table: number, row: number, column: number): Cell;

    /** Sets a cell by the places of its row and its column, both from 1. Whether it is another than before. */
    SetParameterIndex(table: number, row: number, column: number, value: Settable): boolean;

    /** A cell by the key of its row and the place of its column from 1; null if it is empty or not there. */
    GetParameterIndexByKey(table: number, key: string, column: number): Cell;

    /** Sets a cell by the key of its row and the place of its column from 1. Whether it is another than before. */
    SetParameterIndexByKey(table: number, key: string, column: number, value: Settable): boolean;

    /** The original's numbered calls, as far as they are about parameters and tables: each does what the method does that the original has for it. Of 220, and of 321 whose columns count from 0, there are several columns in one call. Any other number is reported, and null. */
    NotifyProtocol(type: 73, pid: number, none?: null): Cell;
    NotifyProtocol(type: 85, name: string, none?: null): Cell;
    NotifyProtocol(type: 121, cell: readonly [table: number, row: string | number, column: number], value: Settable): boolean;
    NotifyProtocol(type: 122, cell: readonly [table: number, row: string | number, column: number], none?: null): Cell;
    NotifyProtocol(type: 134, trigger: number, none?: null): number;
    NotifyProtocol(type: 149, table: number, row: string | readonly CellInput[]): number;
    NotifyProtocol(type: 156, table: number, key: string | number | readonly string[]): number;
    NotifyProtocol(type: 163, table: number, key: string): number;
    NotifyProtocol(type: 168, table: number, none?: null): [keys: string[], displayKeys: string[]] | null;
    NotifyProtocol(type: 193 | 194, table: number | readonly [table: number, ...options: unknown[]], columns: readonly (readonly CellInput[])[]): boolean;
    NotifyProtocol(type: 195, table: number, none?: null): number;
    NotifyProtocol(type: 215, row: readonly [table: number, key: string], none?: null): Cell[] | null;
    NotifyProtocol(type: 220, columns: readonly [table: number, ...columns: unknown[]], values: readonly [keys: readonly string[], ...values: (readonly CellInput[])[]]): boolean;
    NotifyProtocol(type: 225, row: readonly [table: number, key: string | number, ...options: unknown[]], cells: readonly CellInput[]): number[];
    NotifyProtocol(type: 240, table: number, row?: string | readonly CellInput[] | null): string | null;
    NotifyProtocol(type: 265, table: number, key: string): boolean;
    NotifyProtocol(type: 321, table: number, columns: readonly number[]): Cell[][] | null;
    NotifyProtocol(type: 393, column: number, none?: null): number | null;
    NotifyProtocol(type: 397, table: number, none?: null): string[] | null;

    /** With `row="true"`: the key of the row that runs the script. */
    RowKey(): string | null;

    /** With `row="true"`: the place of that row, from 1; 0 if it is gone, or if there is none. */
    RowIndex(): number;

    /** With `row="true"`: the cells of that row before the change; null of a new row. */
    OldRow(): Cell[] | null;

    /** With `row="true"`: the cells of that row after the change; null of one that is gone. */
    NewRow(): Cell[] | null;
}

/** The element in a script with `encoding="jscript"`, and in the files of its `include`. */
declare const SLScript: SLProtocol;

/** Writes lines into the element's log. */
interface Console {
    debug(...parts: unknown[]): void;
    log(...parts: unknown[]): void;
    info(...parts: unknown[]): void;
    warn(...parts: unknown[]): void;
    error(...parts: unknown[]): void;
}

declare var console: Console;
