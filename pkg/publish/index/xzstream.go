package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
)

// Parts of a stream as The .xz File Format, version 1.2.1, has them; numbers are little-endian.
const (
	xzMagic       = "\xfd7zXZ\x00" // 2.1.1.1
	xzFooterMagic = "YZ"           // 2.1.2.4
	xzFlags       = "\x00\x04"     // 2.1.1.2: CRC64 behind each block
	xzHeaderSize  = 12
	xzFooterSize  = 12
	xzCheckSize   = 8
	// minUnpadded is the least that a block has: a header of eight bytes, a byte of content and the check.
	minUnpadded = 8 + 1 + xzCheckSize
)

var errXz = errors.New("not a stream of xz with CRC64")

// A block of a stream (3).
type block struct {
	data     []byte // with header, check and padding; nil where only the sizes count
	unpadded int64  // size of data without padding
	plain    int64  // size of the content
}

// check returns the CRC64 of the content, as the block has it behind its padding (3.4).
func (b block) check() uint64 {
	return binary.LittleEndian.Uint64(b.data[len(b.data)-xzCheckSize:])
}

// xzHeader returns the header of a stream (2.1.1).
func xzHeader() []byte {
	header := []byte(xzMagic + xzFlags)
	return binary.LittleEndian.AppendUint32(header, crc32.ChecksumIEEE([]byte(xzFlags)))
}

// xzTail returns the index (4) and the footer (2.1.2) of a stream of these blocks.
func xzTail(blocks []block) []byte {
	index := []byte{0}
	index = binary.AppendUvarint(index, uint64(len(blocks)))
	for _, b := range blocks {
		index = binary.AppendUvarint(index, uint64(b.unpadded))
		index = binary.AppendUvarint(index, uint64(b.plain))
	}
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(index))
	footer := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	footer = append(footer, xzFlags...)
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(footer))
	return slices.Concat(index, footer, []byte(xzFooterMagic))
}

// parseXz returns the blocks of a file of one stream, which share its memory. It does not look into them.
func parseXz(stream []byte) ([]block, error) {
	if len(stream) < xzHeaderSize+xzFooterSize || !bytes.HasPrefix(stream, xzHeader()) {
		return nil, errXz
	}
	body, footer := stream[xzHeaderSize:len(stream)-xzFooterSize], stream[len(stream)-xzFooterSize:]
	backward := (int64(binary.LittleEndian.Uint32(footer[4:])) + 1) * 4
	switch {
	case string(footer[8:10]) != xzFlags, string(footer[10:]) != xzFooterMagic,
		binary.LittleEndian.Uint32(footer) != crc32.ChecksumIEEE(footer[4:10]), backward > int64(len(body)):
		return nil, errXz
	}
	content, index := body[:int64(len(body))-backward], body[int64(len(body))-backward:]
	blocks, err := parseXzIndex(index)
	if err != nil {
		return nil, err
	}
	for i := range blocks {
		padded := (blocks[i].unpadded + 3) &^ 3
		if padded > int64(len(content)) {
			return nil, errXz
		}
		blocks[i].data, content = content[:padded:padded], content[padded:]
	}
	if len(content) > 0 || !bytes.Equal(xzTail(blocks), stream[int64(len(stream))-backward-xzFooterSize:]) {
		return nil, errXz
	}
	return blocks, nil
}

// parseXzIndex returns the sizes of blocks.
func parseXzIndex(index []byte) (blocks []block, err error) {
	if index[0] != 0 {
		return nil, errXz
	}
	rest := index[1:]
	number := func() int64 {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > 1<<62 {
			err = errXz
			return 0
		}
		rest = rest[size:]
		return int64(n)
	}
	for count := number(); err == nil && int64(len(blocks)) < count; {
		b := block{unpadded: number(), plain: number()}
		if b.unpadded < minUnpadded {
			return nil, errXz
		}
		blocks = append(blocks, b)
	}
	return blocks, err
}
