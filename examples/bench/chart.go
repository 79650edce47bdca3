package main

import (
	"fmt"
	"image/color"
	"os"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

const barWidth = 16 // points

// series are the bars of each group, in the order in which they stand.
var series = []struct {
	label string
	has   func(way string) bool
	color color.Color
}{
	{"by hand", func(way string) bool { return strings.HasPrefix(way, "by hand") && way != "by hand, looking first" }, color.RGBA{0x9a, 0xa5, 0xb1, 0xff}},
	{"by hand, looking first", func(way string) bool { return way == "by hand, looking first" }, color.RGBA{0xd3, 0xc2, 0x9d, 0xff}},
	{"hookonce", func(way string) bool { return way == "hookonce" }, color.RGBA{0x1f, 0x6f, 0xeb, 0xff}},
}

// drawChart draws the rates of new events and of duplicates by 64 connections, or else by
// the most that were measured.
func drawChart(file string, all []*result) (err error) {
	conns := 0
	for _, r := range all {
		if conns = max(conns, r.conns); r.conns == 64 {
			conns = 64
			break
		}
	}
	var names []string
	for _, r := range all {
		if !slices.Contains(names, r.group) {
			names = append(names, r.group)
		}
	}
	plots := make([][]*plot.Plot, 2)
	for row, duplicates := range []bool{false, true} {
		p, err := chartOf(all, names, conns, duplicates)
		if err != nil {
			return err
		}
		plots[row] = []*plot.Plot{p}
	}
	canvas := vgsvg.New(vg.Length(160+len(names)*85), 560)
	tiles := draw.Tiles{Rows: 2, Cols: 1, PadX: vg.Millimeter, PadY: 6 * vg.Millimeter, PadTop: 3 * vg.Millimeter, PadBottom: 3 * vg.Millimeter, PadLeft: 3 * vg.Millimeter, PadRight: 3 * vg.Millimeter}
	page := draw.New(canvas)
	page.SetColor(color.White)
	page.Fill(page.Rectangle.Path())
	for row, c := range plot.Align(plots, tiles, page) {
		plots[row][0].Draw(c[0])
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = canvas.WriteTo(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

func chartOf(all []*result, names []string, conns int, duplicates bool) (*plot.Plot, error) {
	p := plot.New()
	kind := "New events"
	if duplicates {
		kind = "Duplicates"
	}
	p.Title.Text = fmt.Sprintf("%s a second over HTTP, %d connections", kind, conns)
	p.Y.Min = 0
	p.Add(plotter.NewGrid())
	p.NominalX(names...)
	p.X.Min, p.X.Max = -0.6, float64(len(names))-0.4
	p.Legend.Top, p.Legend.Left, p.Legend.Padding = true, true, 4
	highest := 0.0
	for i, s := range series {
		rates := make(plotter.Values, len(names))
		ratios := plotter.XYLabels{XYs: make(plotter.XYs, 0), Labels: nil}
		for _, r := range all {
			if r.conns != conns || r.duplicates != duplicates || !s.has(r.way) {
				continue
			}
			at := slices.Index(names, r.group)
			rates[at] = r.rate()
			highest = max(highest, rates[at])
			if i > 0 {
				ratios.XYs = append(ratios.XYs, plotter.XY{X: float64(at), Y: rates[at]})
				ratios.Labels = append(ratios.Labels, fmt.Sprintf("×%.2f", median(r.ratios)))
			}
		}
		bars, err := plotter.NewBarChart(rates, barWidth)
		if err != nil {
			return nil, err
		}
		bars.Color, bars.LineStyle.Width, bars.Offset = s.color, 0, vg.Length(i-1)*(barWidth+2)
		p.Add(bars)
		p.Legend.Add(s.label, bars)
		labels, err := plotter.NewLabels(ratios)
		if err != nil {
			return nil, err
		}
		labels.Offset = vg.Point{X: bars.Offset, Y: 3}
		for n := range labels.TextStyle {
			labels.TextStyle[n].XAlign = draw.XCenter
			labels.TextStyle[n].Font.Size = 8
		}
		p.Add(labels)
	}
	p.Y.Max = highest * 1.35 // room for the legend
	return p, nil
}
